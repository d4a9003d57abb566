"""Names what the open target sends, ``{"type", "timestamp", "version", "data"}``, the id it goes by, and its JSON Schema."""

from collections.abc import Mapping

from pydantic import JsonValue

from adapters.erps.base import Posting
from canonical.keys import fit
from canonical.kinds import AnyDocument
from canonical.operation import OPERATIONS, Operation
from canonical.order import Order
from canonical.reservation import Reservation
from canonical.returns import Return
from canonical.shipment import Shipment
from canonical.stock import StockPosition

LONGEST_ID = 100
SCHEMA_ID = "open-target.schema.json"

_MODELS: Mapping[str, type[AnyDocument]] = {
    "order": Order,
    "shipment": Shipment,
    "return": Return,
    "stock": StockPosition,
    "reservation": Reservation,
}


def id_of(target: str, posting: Posting) -> str:
    """The webhook id of an effect: the same at every attempt, another for every other effect, target and version.

    It holds no full stop, as Standard Webhooks asks.
    """
    document = posting.document
    doing = posting.operation.replace(".", "-")
    return fit(document.source, document.key, LONGEST_ID, prefix=f"{target}_{doing}-{posting.version}_")


def body_of(posting: Posting) -> bytes:
    """The body: what happened, when the source says it was true, the document's version here, and the whole document.

    It is the same, byte for byte, at every attempt.
    """
    document = posting.document
    told = f'{{"type":"{posting.operation}","timestamp":"{_moment(document)}","version":{posting.version},"data":'
    return f"{told}{document.model_dump_json()}}}".encode()


def open_target_schema() -> dict[str, JsonValue]:
    """JSON Schema (2020-12) of the bodies the open target sends."""
    definitions: dict[str, JsonValue] = {}
    for model in _MODELS.values():
        schema = model.model_json_schema(ref_template="#/$defs/{model}", mode="serialization")
        definitions.update(schema.pop("$defs", {}))
        definitions[model.__name__] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Open target",
        "description": "A canonical document as the open target sends it, signed by Standard Webhooks.",
        "oneOf": [_body(operation) for operation in OPERATIONS],
        "$defs": dict(sorted(definitions.items())),
    }


def _moment(document: AnyDocument) -> str:
    return document.as_of.isoformat().replace("+00:00", "Z")


def _body(operation: Operation) -> JsonValue:
    return {
        "type": "object",
        "required": ["type", "timestamp", "version", "data"],
        "properties": {
            "type": {"const": operation},
            "timestamp": {"type": "string", "format": "date-time", "description": "when the source says this was true"},
            "version": {"type": "integer", "minimum": 1, "description": "counts the document's states; a later one is higher"},
            "data": {"$ref": f"#/$defs/{_MODELS[operation.partition('.')[0]].__name__}"},
        },
    }
