"""Draws orders, shipments and refunds from a seed: the same seed draws the same sale."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from workers.demo.goods import FAMILY_NAMES, GIVEN_NAMES, PRODUCTS, STREETS, TOWNS, Product
from workers.demo.sale import CENT, Buyer, Class, Freight, Line, Order, Refund, Shipment, tax_on
from workers.demo.webhook import PORTAL, SHOPIFY

_FLASH = Decimal("0.15")
_FREIGHTS: dict[Class, tuple[str, str, str]] = {
    "high": ("Express 1-day", "EXPRESS", "19.90"),
    "normal": ("Standard", "STANDARD", "5.95"),
    "low": ("Economy freight", "FREIGHT", "48.00"),
}
_FIRST_ORDER = 6_120_400_000_000
_STEP = 32_768


class Draws:
    """A source of orders with ever new keys. ``opened_at`` is when the sale opens; orders are placed from then on."""

    def __init__(self, seed: int, opened_at: datetime) -> None:
        self.random = random.Random(seed)  # noqa: S311  a story, not a secret
        self.opened_at = opened_at.replace(microsecond=0)
        self._count = 0

    def order(self, at_s: float, cls: Class, *, source: str = SHOPIFY, product: Product | None = None) -> Order:
        """An order placed ``at_s`` seconds after the sale opened; ``product`` puts that article into it."""
        self._count += 1
        key = _FIRST_ORDER + self._count * _STEP
        buyer = self._buyer()
        title, code, price = _FREIGHTS[cls]
        freight_price = Decimal(price)
        placed_at = self.opened_at + timedelta(seconds=int(at_s))
        return Order(
            source=source,
            key=str(key) if source == SHOPIFY else f"PO-{self._count:05d}",
            number=f"#{10_000 + self._count}",
            placed_at=placed_at,
            as_of=placed_at,
            buyer=buyer,
            lines=tuple(self._lines(key, buyer, product)),
            freight=Freight(title, code, freight_price, self._freight_tax(freight_price, buyer)),
            cls=cls,
        )

    def portal_order(self, at_s: float, cls: Class) -> Order:
        """An order of the B2B portal."""
        return self.order(at_s, cls, source=PORTAL)

    def shipment(self, order: Order, at_s: float) -> Shipment:
        """Everything of an order, shipped."""
        key = f"{5_200_000_000_000 + self._serial(order)}" if order.source == SHOPIFY else f"{order.key}-S1"
        shipped_at = self.opened_at + timedelta(seconds=int(at_s))
        return Shipment(key, order, shipped_at, f"MW{self.random.randrange(10**9, 10**10)}")

    def refund(self, order: Order, at_s: float) -> Refund:
        """Some pieces of the first line given back."""
        quantity = self.random.randint(1, order.lines[0].quantity)
        returned_at = self.opened_at + timedelta(seconds=int(at_s))
        return Refund(f"{930_000_000_000 + self._serial(order)}", order, returned_at, quantity)

    def event_id(self) -> str:
        """A new id for an event."""
        digits = f"{self.random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _serial(self, order: Order) -> int:
        return int(order.number.lstrip("#")) * 10

    def _buyer(self) -> Buyer:
        pick = self.random
        street = f"{pick.randint(1, 240)} {pick.choice(STREETS)}"
        key = str(7_001_000_000_000 + pick.randrange(10**9))
        return Buyer(key, pick.choice(GIVEN_NAMES), pick.choice(FAMILY_NAMES), street, pick.choice(TOWNS))

    def _lines(self, key: int, buyer: Buyer, product: Product | None) -> Iterable[Line]:
        chosen = self.random.sample(PRODUCTS, self.random.choice((1, 1, 2, 2, 3, 4)))
        if product is not None:
            chosen[0] = product
        for n, article in enumerate(chosen):
            quantity = self.random.choice((1, 1, 1, 2, 2, 3))
            gross = article.price * quantity
            discount = (gross * _FLASH).quantize(CENT, ROUND_HALF_UP) if self.random.random() < 0.4 else Decimal(0)
            yield Line(str(key + 100 + n), article, quantity, discount, tax_on(gross - discount, buyer.town))

    def _freight_tax(self, price: Decimal, buyer: Buyer) -> Decimal:
        # Some states tax shipping, some do not.
        return tax_on(price, buyer.town) if buyer.town.region_code in {"NY", "TX"} else Decimal(0)
