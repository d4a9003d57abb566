"""Plans a sale's lines: which products, how many, at which net price, so that every amount is exact to the cent."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from adapters.erps.base import References
from adapters.erps.tryton.options import TrytonOptions
from adapters.erps.tryton.records import Line
from adapters.erps.tryton.wire import Values, decimal
from canonical.currencies import MINOR_DIGITS
from canonical.money import in_minor_digits
from canonical.order import Charge, Order, OrderLine, Tax
from canonical.outcome import Rejected

PRICE_DIGITS = Decimal("0.0001")
"""Tryton's own default precision of a unit price."""

ROUNDING = "millrace:rounding"
"""Note of the line that carries a rounding difference."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One sale line as it should be. ``note`` holds the order line's key, ``charge:<code>`` or ROUNDING."""

    note: str
    product: int | None
    quantity: int
    unit_price: Decimal
    taxes: frozenset[int]
    title: str

    def values(self, unit: int) -> Values:
        """As Tryton takes it."""
        head: dict[str, object] = {
            "type": "line",
            "note": self.note,
            "description": self.title,
            "quantity": self.quantity,
            "unit_price": decimal(self.unit_price),
            "taxes": [["add", sorted(self.taxes)]] if self.taxes else [],
        }
        return head if self.product is None else {**head, "product": self.product, "unit": unit}

    def equals(self, line: Line) -> bool:
        """True if the line in Tryton says the same."""
        return (self.note, self.product, self.quantity, self.unit_price, self.taxes) == (
            line.note,
            line.product,
            line.quantity,
            line.unit_price,
            line.taxes,
        )


def priced(pieces: int, net: Decimal, currency: str) -> tuple[tuple[int, Decimal], ...]:
    """Pieces and unit prices whose amounts add up to ``net`` exactly.

    >>> priced(3, Decimal("10.00"), "USD")
    ((3, Decimal('3.3333')),)
    >>> priced(1000, Decimal("3333.33"), "USD")
    ((667, Decimal('3.33')), (333, Decimal('3.34')))

    A unit price has four decimals, so beyond some hundred pieces its rounding shows: then some pieces cost one cent more.
    """
    net = in_minor_digits(net, currency)
    unit = (net / pieces).quantize(PRICE_DIGITS)
    if in_minor_digits(unit * pieces, currency) == net:
        return ((pieces, unit),)
    cent = Decimal(1).scaleb(-MINOR_DIGITS[currency])
    low = (net / pieces).quantize(cent, ROUND_FLOOR)
    dearer = int((net - low * pieces) / cent)
    return ((pieces - dearer, low), (dearer, low + cent))


def plan_of(order: Order, references: References, options: TrytonOptions) -> tuple[Planned, ...] | Rejected:
    """The order's lines and charges as sale lines, without tax in their prices."""
    planned: list[Planned] = []
    for line in order.lines:
        made = _of_line(order, line, references)
        if isinstance(made, Rejected):
            return made
        planned += made
    for charge in order.charges:
        one = _of_charge(order, charge, references, options)
        if isinstance(one, Rejected):
            return one
        planned += one
    return tuple(planned)


def tolerance(order: Order) -> Decimal:
    """Largest difference that rounding can explain: half a cent for each taxed line and charge, and never below one."""
    cent = Decimal(1).scaleb(-MINOR_DIGITS[order.currency])
    taxed = sum(1 for taxes in taxes_of(order) if taxes)
    return max(cent, cent * ((taxed + 1) // 2 + 1))


def rounding(residue: Decimal) -> Planned:
    """The visible line that carries a rounding difference, outside every tax."""
    return Planned(ROUNDING, None, 1, residue, frozenset(), "Rounding")


def taxes_of(order: Order) -> list[tuple[Tax, ...]]:
    """Taxes of each line and charge."""
    return [*(line.taxes for line in order.lines), *(charge.taxes for charge in order.charges)]


def titles_of(taxes: Iterable[Tax]) -> list[str]:
    """Names of the taxes that count: a tax of nothing needs no cross-reference."""
    return [tax.title[:190] for tax in taxes if tax.amount]


def _of_line(order: Order, line: OrderLine, references: References) -> list[Planned] | Rejected:
    product = _id(references.get("item", line.sku))
    if product is None:
        return _missing("item", line.sku)
    taxes = _taxes(line.taxes, references)
    if isinstance(taxes, Rejected):
        return taxes
    net = line.net - line.tax if order.prices_include_tax else line.net
    title = line.title or line.sku
    return [Planned(line.key, product, n, price, taxes, title) for n, price in priced(line.quantity, net, order.currency)]


def _of_charge(order: Order, charge: Charge, references: References, options: TrytonOptions) -> list[Planned] | Rejected:
    product = _id(references.get("charge", charge.code)) or options.charge_product
    if product is None:
        return _missing("charge", charge.code)
    taxes = _taxes(charge.taxes, references)
    if isinstance(taxes, Rejected):
        return taxes
    net = charge.net - charge.tax if order.prices_include_tax else charge.net
    price = in_minor_digits(net, order.currency)
    return [Planned(f"charge:{charge.code}", product, 1, price, taxes, charge.title or charge.code)]


def _taxes(taxes: tuple[Tax, ...], references: References) -> frozenset[int] | Rejected:
    ids = set()
    for title in titles_of(taxes):
        tax = _id(references.get("tax", title))
        if tax is None:
            return _missing("tax", title)
        ids.add(tax)
    return frozenset(ids)


def _id(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _missing(kind: str, key: str) -> Rejected:
    reason = f"no cross-reference of kind {kind} to a Tryton id for {key!r}"
    return Rejected("tryton.no_reference", reason, f"add the {kind} {key!r} to the cross-references, then retry")
