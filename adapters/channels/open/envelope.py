"""Names what the open channel takes, ``{"type", "timestamp", "data"}``, and publishes it as JSON Schema."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from canonical.count import Count
from canonical.document import Domain
from canonical.kinds import AnyDocument
from canonical.milestone import Milestone
from canonical.model import Moment
from canonical.order import Order
from canonical.reservation import Reservation
from canonical.returns import Return
from canonical.settlement import Settlement
from canonical.shipment import Shipment
from canonical.stock import StockPosition

Type = Literal[
    "order.upserted",
    "shipment.upserted",
    "return.upserted",
    "stock.upserted",
    "reservation.upserted",
    "milestone.reached",
    "count.upserted",
    "settlement.upserted",
]

DOMAINS: dict[str, Domain] = {
    "order.upserted": "orders",
    "shipment.upserted": "shipments",
    "return.upserted": "returns",
    "stock.upserted": "stock",
    "reservation.upserted": "stock",
    "milestone.reached": "shipments",
    "count.upserted": "stock",
    "settlement.upserted": "returns",
}
MODELS: dict[str, type[AnyDocument]] = {
    "order.upserted": Order,
    "shipment.upserted": Shipment,
    "return.upserted": Return,
    "stock.upserted": StockPosition,
    "reservation.upserted": Reservation,
    "milestone.reached": Milestone,
    "count.upserted": Count,
    "settlement.upserted": Settlement,
}
_NUMBER: JsonValue = {"type": "number", "minimum": 0.0}
_AMOUNT: dict[str, JsonValue] = {
    "number": {"type": "number", "minimum": 0},
    "string": {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6})?$"},
}
_ANY_NUMBER: JsonValue = {"type": "number"}
_SIGNED_AMOUNT: dict[str, JsonValue] = {
    "number": _ANY_NUMBER,
    "string": {"type": "string", "pattern": r"^[+-]?[0-9]{1,12}(\.[0-9]{1,6})?$"},
}
SCHEMA_ID = "open-channel.schema.json"


class Envelope(BaseModel):
    """The body of a request. ``data`` is a canonical document without its source: the source is who signed it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Type
    timestamp: Moment
    data: dict[str, Any]


def open_channel_schema() -> dict[str, JsonValue]:
    """JSON Schema (2020-12) of the bodies the open channel takes."""
    definitions: dict[str, JsonValue] = {}
    bodies: list[JsonValue] = []
    for told, model in MODELS.items():
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update({name: _standard(told_def) for name, told_def in schema.pop("$defs", {}).items()})
        definitions[model.__name__] = _standard(_without_source(schema))
        bodies.append(_body(told, model.__name__))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Open channel",
        "description": "A canonical document in its newest state, told to POST /in/{source} and signed by Standard Webhooks.",
        "oneOf": bodies,
        "$defs": dict(sorted(definitions.items())),
    }


def _without_source(schema: dict[str, Any]) -> dict[str, JsonValue]:
    properties = {name: told for name, told in schema["properties"].items() if name != "source"}
    return schema | {"properties": properties, "required": [name for name in schema["required"] if name != "source"]}


def _standard(schema: JsonValue) -> JsonValue:
    """The same schema in standard words: an amount's string is bounded as it is read."""
    if isinstance(schema, list):
        amount = _AMOUNT if _NUMBER in schema else _SIGNED_AMOUNT if _ANY_NUMBER in schema else {}
        return [
            amount.get(str(item.get("type")), item) if amount and isinstance(item, dict) else _standard(item) for item in schema
        ]
    if not isinstance(schema, dict):
        return schema
    return {name: _standard(part) for name, part in schema.items()}


def _body(told: str, model: str) -> JsonValue:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": told},
            "timestamp": {"type": "string", "format": "date-time", "description": "when this was sent, with an offset"},
            "data": {"$ref": f"#/$defs/{model}"},
        },
    }
