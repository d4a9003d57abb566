"""Names the order: lines, charges, taxes and totals as the customer agreed to them."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from canonical.document import Document
from canonical.model import Frozen, Key, Moment, Text
from canonical.money import Currency, Unsigned
from canonical.party import Address, Party

MOST_LINES = 2_000

Quantity = Annotated[int, Field(gt=0, le=1_000_000, strict=True)]
"""A whole number of pieces, 1 to 1 000 000."""


CancelReason = Literal["customer", "stock", "fraud", "payment", "other"]
"""Why an order was cancelled; ``stock``: there was none, so it was sold and could not be kept."""


class Tax(Frozen):
    """One tax on a line or charge: its name, its rate as a fraction (0.08) where told, and its amount."""

    title: Text
    rate: Unsigned | None = None
    amount: Unsigned


class OrderLine(Frozen):
    """One line: ``unit_price`` before discount; ``discount`` is the whole line's, positive."""

    key: Key
    sku: Key
    title: Text | None = None
    quantity: Quantity
    unit_price: Unsigned
    discount: Unsigned = Decimal(0)
    taxes: tuple[Tax, ...] = ()
    requires_shipping: bool = True

    @property
    def net(self) -> Decimal:
        """Price of the line after discount; holds its taxes if the order's prices include them."""
        return self.unit_price * self.quantity - self.discount

    @property
    def tax(self) -> Decimal:
        """Sum of the line's taxes."""
        return sum((t.amount for t in self.taxes), Decimal(0))


class Charge(Frozen):
    """A charge beside the goods: shipping, handling, gift wrap."""

    code: Key
    title: Text | None = None
    price: Unsigned
    discount: Unsigned = Decimal(0)
    taxes: tuple[Tax, ...] = ()

    @property
    def net(self) -> Decimal:
        """Price after discount."""
        return self.price - self.discount

    @property
    def tax(self) -> Decimal:
        """Sum of the charge's taxes."""
        return sum((t.amount for t in self.taxes), Decimal(0))


class Order(Document):
    """An order in its newest told state. All amounts are of ``currency``; ``total`` is what the customer owes.

    ``test`` orders are kept and go to no target, unless a route says so. ``promised_by`` is when the customer was promised to
    have the goods, ``customer_tier`` the sender's word for how dear the customer is, ``cancel_reason`` why it was cancelled.
    """

    kind: Literal["order"] = "order"
    number: Key
    status: Literal["open", "cancelled"] = "open"
    test: bool = False
    placed_at: Moment
    currency: Currency
    prices_include_tax: bool = False
    customer: Party = Party()
    billing: Address | None = None
    shipping: Address | None = None
    lines: Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=MOST_LINES)]
    charges: tuple[Charge, ...] = ()
    total_tax: Unsigned = Decimal(0)
    total: Unsigned
    sales_channel: Text | None = None
    shipping_method: Text | None = None
    location: Key | None = None
    note: Text | None = None
    # Left out where not told: the content of an order that was told before these existed reads the same, digest included.
    promised_by: Moment | None = Field(default=None, exclude_if=lambda told: told is None)
    customer_tier: Text | None = Field(default=None, exclude_if=lambda told: told is None)
    cancel_reason: CancelReason | None = Field(default=None, exclude_if=lambda told: told is None)

    @model_validator(mode="after")
    def _fits_together(self) -> "Order":
        if len({line.key for line in self.lines}) != len(self.lines):
            raise ValueError("two lines share one key")
        if self.cancel_reason is not None and self.status != "cancelled":
            raise ValueError("cancel_reason of an order that is not cancelled: tell the status cancelled with it")
        return self
