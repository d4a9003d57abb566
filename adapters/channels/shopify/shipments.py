"""Reads a Shopify fulfilment as the canonical shipment."""

from datetime import datetime

from adapters.channels.shopify.payload import FulfillmentPayload, key, sku_of, text
from canonical.shipment import Shipment

_UNDONE = frozenset({"cancelled", "failure", "error"})
_NOT_YET = frozenset({"pending", "open"})


def shipment_of(told: FulfillmentPayload, source: str, as_of: datetime) -> Shipment | None:
    """The shipment, or None while the warehouse has not shipped (pending, open). Raises pydantic.ValidationError."""
    if told.status in _NOT_YET:
        return None
    single = text(told.tracking_number)
    numbers = told.tracking_numbers or ((single,) if single else ())
    return Shipment.model_validate(
        {
            "source": source,
            "key": key(told.id),
            "as_of": as_of,
            "order_key": key(told.order_id),
            "number": text(told.name),
            "status": "cancelled" if told.status in _UNDONE else "shipped",
            "shipped_at": told.created_at or as_of,
            "location": key(told.location_id),
            "carrier": text(told.tracking_company),
            "tracking_numbers": [number for number in numbers if number.strip()],
            "lines": [
                {"order_line": key(line.id), "sku": sku_of(line), "quantity": line.quantity}
                for line in told.line_items
                if line.quantity
            ],
        }
    )
