"""Names the return: what came back (or was cancelled off an order) and what the customer is given for it."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from canonical.document import Document
from canonical.model import Frozen, Key, Moment, Text
from canonical.money import Currency, Unsigned
from canonical.order import MOST_LINES, Quantity


class ReturnLine(Frozen):
    """Pieces of one order line given back. ``net`` and ``tax`` are the whole line's refund, positive."""

    order_line: Key
    sku: Key
    quantity: Quantity
    restock: bool = True
    net: Unsigned
    tax: Unsigned = Decimal(0)
    location: Key | None = None


class Return(Document):
    """A refund with the goods it is for (none for a goodwill refund); amounts are positive, of ``currency``."""

    kind: Literal["return"] = "return"
    order_key: Key
    number: Key | None = None
    returned_at: Moment
    currency: Currency
    lines: Annotated[tuple[ReturnLine, ...], Field(max_length=MOST_LINES)] = ()
    shipping_refund: Unsigned = Decimal(0)
    adjustment: Unsigned = Decimal(0)
    total: Unsigned
    reason: Text | None = None

    @property
    def order(self) -> str:
        """Key of the order the goods came from."""
        return self.order_key
