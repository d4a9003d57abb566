"""Reckons a sales order's amounts without tax, line by line, so that NetSuite's total is the order's to the cent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from adapters.erps.base import References
from adapters.erps.netsuite.options import NetSuiteOptions
from canonical.currencies import MINOR_DIGITS
from canonical.money import in_minor_digits
from canonical.order import Charge, Order, OrderLine, Tax
from canonical.outcome import Rejected

ZERO = Decimal(0)
SHIPPING = "shipping"
"""Code of the charge that goes into the order's shipping cost; every other one becomes a line."""

ADJUSTMENT = "adjustment"
"""Key of the charge item that carries a rounding difference or an amount given back beside goods."""

_RATE = Decimal("0.000001")
_SHIPPING_TAX = "SHIPPING"


class Row(Struct, frozen=True):
    """One line as NetSuite is to hold it; ``key`` is our line's, ``charge:<code>`` or ``charge:adjustment``."""

    key: str
    item: str
    quantity: int
    amount: Decimal
    title: str | None
    taxes: tuple[Tax, ...] = ()

    @property
    def rate(self) -> Decimal:
        """Price of a piece after discount; the amount decides, so six decimals are enough."""
        return (self.amount / self.quantity).quantize(_RATE)


class TaxRow(Struct, frozen=True):
    """One tax of one line (``reference`` names it) or of the shipping cost; ``percent`` is 8 for a rate of 0.08."""

    reference: str
    code: str | None
    basis: Decimal
    percent: Decimal | None
    amount: Decimal


class Sums(Struct, frozen=True):
    """All that makes up the order's total."""

    rows: tuple[Row, ...]
    shipping_cost: Decimal
    taxes: tuple[TaxRow, ...]

    @property
    def total(self) -> Decimal:
        """What NetSuite will reckon."""
        return sum((row.amount for row in self.rows), self.shipping_cost) + sum((t.amount for t in self.taxes), ZERO)


def sums_of(order: Order, references: References, options: NetSuiteOptions) -> Sums | Rejected:
    """The order's amounts, or why they cannot be had: a missing item, or parts that do not add up to the total."""
    told = with_whole_tax(order)
    rows = [*_goods(told, references), *_charges(told, references)]
    lacking = next((row.key for row in rows if not row.item), None)
    if lacking is not None:
        return missing_item(lacking)
    shipping = [charge for charge in told.charges if charge.code == SHIPPING]
    cost = sum((_net(told, c) for c in shipping), ZERO)
    taxes = [*_taxes_of(rows, references, options), *_taxes_of_shipping(shipping, cost, references, options)]
    return _settled(told, Sums(tuple(rows), cost, tuple(taxes)), references, options)


def with_whole_tax(order: Order) -> Order:
    """The order with the tax that no line or charge tells laid on its first line."""
    told = sum((line.tax for line in order.lines), ZERO) + sum((charge.tax for charge in order.charges), ZERO)
    rest = order.total_tax - told
    if rest <= tolerance(order):
        return order
    first = order.lines[0]
    whole = first.model_copy(update={"taxes": (*first.taxes, Tax(title="Tax", amount=rest))})
    return order.model_copy(update={"lines": (whole, *order.lines[1:])})


def tolerance(order: Order) -> Decimal:
    """Largest difference that rounding can explain: half a cent for each line and charge, and never below one."""
    cent = Decimal(1).scaleb(-MINOR_DIGITS[order.currency])
    return cent * max(1, (len(order.lines) + len(order.charges) + 1) // 2)


def reference_of(number: int) -> str:
    """Name by which the order's tax details refer to its n-th line."""
    return f"line-{number}"


def titles_of(taxes: Iterable[Tax]) -> list[str]:
    """Names of the taxes that count: a tax of nothing needs no code."""
    return [tax.title[:190] for tax in taxes if tax.amount]


def missing_item(key: str) -> Rejected:
    """A line whose item NetSuite's id is not known of."""
    remedy = "set the cross-reference of the line's item or charge, then retry"
    return Rejected("netsuite.item_missing", f"no item is known for line {key}", remedy)


def _goods(order: Order, references: References) -> Iterator[Row]:
    for line in order.lines:
        item = references.get("item", line.sku) or ""
        yield Row(line.key, item, line.quantity, _net(order, line), line.title, line.taxes)


def _charges(order: Order, references: References) -> Iterator[Row]:
    met: Counter[str] = Counter()
    for charge in order.charges:
        if charge.code == SHIPPING:
            continue
        met[charge.code] += 1
        number = f":{met[charge.code]}" if met[charge.code] > 1 else ""
        item = references.get("charge", charge.code) or ""
        key = f"charge:{charge.code}{number}"
        yield Row(key, item, 1, _net(order, charge), charge.title, charge.taxes)


def _net(order: Order, part: OrderLine | Charge) -> Decimal:
    return in_minor_digits(part.net - part.tax if order.prices_include_tax else part.net, order.currency)


def _taxes_of(rows: Sequence[Row], references: References, options: NetSuiteOptions) -> Iterator[TaxRow]:
    for number, row in enumerate(rows, 1):
        for tax in row.taxes:
            yield _tax(reference_of(number), tax, row.amount, references, options)


def _taxes_of_shipping(
    shipping: Sequence[Charge], cost: Decimal, references: References, options: NetSuiteOptions
) -> Iterator[TaxRow]:
    for tax in (tax for charge in shipping for tax in charge.taxes):
        yield _tax(_SHIPPING_TAX, tax, cost, references, options)


def _tax(reference: str, tax: Tax, basis: Decimal, references: References, options: NetSuiteOptions) -> TaxRow:
    code = references.get("tax", tax.title[:190]) or options.tax_code or None
    percent = None if tax.rate is None else tax.rate * 100
    return TaxRow(reference, code, basis, percent, tax.amount)


def _settled(order: Order, sums: Sums, references: References, options: NetSuiteOptions) -> Sums | Rejected:
    """The sums with a visible line for the cents that rounding left over."""
    rest = in_minor_digits(order.total, order.currency) - sums.total
    if not rest:
        return sums
    if abs(rest) > tolerance(order):
        reason = f"lines, charges and taxes of the order come to {rest} {order.currency} less than its total"
        return Rejected("netsuite.total", reason, "see at the source what is missing or told twice; correct it there")
    item = references.get("charge", ADJUSTMENT) or options.adjustment_item
    if not item:
        remedy = "set the option 'adjustment_item' or the charge cross-reference 'adjustment', then retry"
        return Rejected("netsuite.rounding", f"{rest} {order.currency} of rounding have no item to stand on", remedy)
    return replace(sums, rows=(*sums.rows, Row(f"charge:{ADJUSTMENT}", item, 1, rest, "Rounding")))
