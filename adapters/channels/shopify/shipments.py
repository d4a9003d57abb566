"""Reads a Shopify fulfilment as the canonical shipment."""

from datetime import datetime

from adapters.channels.shopify.payload import FulfillmentPayload, sku_of
from canonical.shipment import Shipment, ShipmentLine

_UNDONE = frozenset({"cancelled", "failure", "error"})
_NOT_YET = frozenset({"pending", "open"})


def shipment_of(told: FulfillmentPayload, source: str, as_of: datetime) -> Shipment | None:
    """The shipment, or None while the warehouse has not shipped (pending, open). Raises pydantic.ValidationError."""
    if told.status in _NOT_YET:
        return None
    numbers = told.tracking_numbers or ((told.tracking_number,) if told.tracking_number else ())
    return Shipment(
        source=source,
        key=told.id,
        as_of=as_of,
        order_key=told.order_id,
        number=told.name,
        status="cancelled" if told.status in _UNDONE else "shipped",
        shipped_at=told.created_at or as_of,
        location=told.location_id,
        carrier=told.tracking_company,
        tracking_numbers=tuple(number for number in numbers if number.strip()),
        lines=tuple(
            ShipmentLine(order_line=line.id, sku=sku_of(line), quantity=line.quantity)
            for line in told.line_items
            if line.quantity
        ),
    )
