"""Names the shipment: what left which location for which order, and how to follow it."""

from typing import Annotated, Literal

from pydantic import Field

from canonical.document import Document
from canonical.model import Frozen, Key, Moment, Text
from canonical.order import MOST_LINES, Quantity


class ShipmentLine(Frozen):
    """Pieces of one order line in this shipment; ``order_line`` is the order line's key."""

    order_line: Key
    sku: Key
    quantity: Quantity


class Shipment(Document):
    """A fulfilment of an order; ``order_key`` is the order's key at the same source."""

    kind: Literal["shipment"] = "shipment"
    order_key: Key
    number: Key | None = None
    status: Literal["shipped", "cancelled"] = "shipped"
    shipped_at: Moment
    location: Key | None = None
    carrier: Text | None = None
    tracking_numbers: tuple[Text, ...] = ()
    lines: Annotated[tuple[ShipmentLine, ...], Field(min_length=1, max_length=MOST_LINES)]

    @property
    def order(self) -> str:
        """Key of the order shipped."""
        return self.order_key
