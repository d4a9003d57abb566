"""The demo's own picture of an order, a shipment and a refund: what was sold, and what it comes to."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from workers.demo.goods import Product, Town

Class = Literal["high", "normal", "low"]
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys, and where it goes."""

    key: str
    given_name: str
    family_name: str
    street: str
    town: Town

    @property
    def email(self) -> str:
        """An address that can never exist."""
        return f"{self.given_name}.{self.family_name}.{self.key[-4:]}@buyers.example".lower()


@dataclass(frozen=True, slots=True)
class Line:
    """Pieces of one product; ``discount`` and ``tax`` are the whole line's."""

    key: str
    product: Product
    quantity: int
    discount: Decimal
    tax: Decimal

    @property
    def net(self) -> Decimal:
        """Price after discount, before tax."""
        return self.product.price * self.quantity - self.discount


@dataclass(frozen=True, slots=True)
class Freight:
    """How the order travels and what the buyer pays for that."""

    title: str
    code: str
    price: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An order in one of its states; ``as_of`` is when the shop says this state was true."""

    source: str
    key: str
    number: str
    placed_at: datetime
    as_of: datetime
    buyer: Buyer
    lines: tuple[Line, ...]
    freight: Freight
    cls: Class

    @property
    def goods(self) -> Decimal:
        """All lines after discount."""
        return sum((line.net for line in self.lines), Decimal(0))

    @property
    def discount(self) -> Decimal:
        """All discounts."""
        return sum((line.discount for line in self.lines), Decimal(0))

    @property
    def tax(self) -> Decimal:
        """All taxes."""
        return sum((line.tax for line in self.lines), self.freight.tax)

    @property
    def total(self) -> Decimal:
        """What the buyer owes."""
        return self.goods + self.freight.price + self.tax

    @property
    def pieces(self) -> int:
        """Pieces of goods."""
        return sum(line.quantity for line in self.lines)

    def at(self, moment: datetime) -> "Order":
        """The same content, told of another moment."""
        return replace(self, as_of=moment)

    def with_more(self, moment: datetime, extra: int) -> "Order":
        """One line grown by ``extra`` pieces: what a buyer's change of mind looks like."""
        first = self.lines[0]
        quantity = first.quantity + extra
        grown = replace(first, quantity=quantity, tax=tax_on(first.product.price * quantity - first.discount, self.buyer.town))
        return replace(self, as_of=moment, lines=(grown, *self.lines[1:]))


@dataclass(frozen=True, slots=True)
class Shipment:
    """Everything of an order, sent off in one parcel."""

    key: str
    order: Order
    shipped_at: datetime
    tracking_number: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Pieces of an order's first line given back; ``net`` and ``tax`` are what the buyer gets for them."""

    key: str
    order: Order
    returned_at: datetime
    quantity: int

    @property
    def line(self) -> Line:
        """The line the pieces came from."""
        return self.order.lines[0]

    @property
    def net(self) -> Decimal:
        """The goods' share of the refund."""
        return _share(self.line.net, self.quantity, self.line.quantity)

    @property
    def tax(self) -> Decimal:
        """The tax's share of the refund."""
        return _share(self.line.tax, self.quantity, self.line.quantity)

    @property
    def total(self) -> Decimal:
        """What the buyer gets back."""
        return self.net + self.tax


def tax_on(amount: Decimal, town: Town) -> Decimal:
    """Sales tax on an amount, to the cent."""
    return (amount * town.tax).quantize(CENT, ROUND_HALF_UP)


def _share(whole: Decimal, pieces: int, of: int) -> Decimal:
    return (whole * pieces / of).quantize(CENT, ROUND_HALF_UP)
