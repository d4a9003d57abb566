"""Reckons what a return gives back: of the goods that were shipped, of those that were not, and beside the goods."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.base import References
from adapters.erps.netsuite.amounts import ADJUSTMENT, Row, missing_item
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.records import Line, Transaction
from adapters.erps.netsuite.shipments import line_of
from canonical.money import in_minor_digits
from canonical.order import Order, Tax
from canonical.outcome import Rejected
from canonical.returns import Return, ReturnLine

ZERO = Decimal(0)
TAX = "Tax"


@dataclass(frozen=True, slots=True)
class Back:
    """Pieces of one shipped line that come back, what is given for them without tax, and how many go back on the shelf."""

    line: Line
    row: Row
    restocked: int
    location: str | None


@dataclass(frozen=True, slots=True)
class Refund:
    """``back`` needs a return authorization; ``direct`` stands on the credit memo alone."""

    back: tuple[Back, ...]
    direct: tuple[Row, ...]


def refund_of(
    told: Return, order: Order | None, there: Transaction, references: References, options: NetSuiteOptions
) -> Refund | Rejected:
    """The return against the order as NetSuite has it, or why it cannot be posted."""
    back: list[Back] = []
    direct: list[Row] = []
    for given in _given(told, order):
        origin = line_of(given.key, references.get("item", given.sku), there.lines)
        shipped = 0 if origin is None else min(given.quantity, int(origin.fulfilled))
        item = references.get("item", given.sku) or ("" if origin is None else origin.item)
        part = given.part(shipped, item, told.currency)
        if origin is not None and shipped:
            location = references.get("location", given.location) if given.location else None
            back.append(Back(origin, part, min(given.restocked, shipped), location))
        if shipped < given.quantity:
            direct.append(_rest(given.part(given.quantity, item, told.currency), part))
    goods = sum((row.amount + _tax(row) for row in (*(b.row for b in back), *direct)), ZERO)
    direct += _beside(told, goods, references, options)
    lacking = next((row.key for row in direct if not row.item), None)
    return Refund(tuple(back), tuple(direct)) if lacking is None else missing_item(lacking)


@dataclass(frozen=True, slots=True)
class _Given:
    """All that is given back of one order line; ``net`` is without tax."""

    key: str
    sku: str
    quantity: int
    restocked: int
    net: Decimal
    tax: Decimal
    location: str | None

    def part(self, pieces: int, item: str, currency: str) -> Row:
        """So many pieces of it, with their share of the money."""
        share = Decimal(pieces) / self.quantity
        tax = in_minor_digits(self.tax * share, currency)
        return Row(self.key, item, pieces, in_minor_digits(self.net * share, currency), None, _taxes(tax))


def _given(told: Return, order: Order | None) -> Iterator[_Given]:
    included = _tax_is_included(told, order)
    by_line: dict[str, list[ReturnLine]] = {}
    for line in told.lines:
        by_line.setdefault(line.order_line, []).append(line)
    for key, lines in by_line.items():
        tax = sum((line.tax for line in lines), ZERO)
        net = sum((line.net for line in lines), ZERO) - (tax if included else ZERO)
        restocked = [line for line in lines if line.restock]
        location = next((line.location for line in (*restocked, *lines) if line.location), None)
        pieces = sum(line.quantity for line in restocked)
        yield _Given(key, lines[0].sku, sum(line.quantity for line in lines), pieces, net, tax, location)


def _tax_is_included(told: Return, order: Order | None) -> bool:
    """Where prices include tax some channels tell a return's net with it, some without: the total decides."""
    net = sum((line.net for line in told.lines), ZERO) + told.shipping_refund + told.adjustment
    tax = sum((line.tax for line in told.lines), ZERO)
    return order is not None and order.prices_include_tax and abs(told.total - net) <= abs(told.total - net - tax)


def _rest(whole: Row, part: Row) -> Row:
    taxes = _taxes(_tax(whole) - _tax(part))
    return Row(whole.key, whole.item, whole.quantity - part.quantity, whole.amount - part.amount, None, taxes)


def _taxes(amount: Decimal) -> tuple[Tax, ...]:
    return (Tax(title=TAX, amount=amount),) if amount > 0 else ()


def _tax(row: Row) -> Decimal:
    return sum((tax.amount for tax in row.taxes), ZERO)


def _beside(told: Return, goods: Decimal, references: References, options: NetSuiteOptions) -> Iterator[Row]:
    """Shipping given back, and whatever else makes the total: goodwill above the goods, or what was kept back below."""
    item = references.get("charge", ADJUSTMENT) or options.adjustment_item
    shipping = in_minor_digits(told.shipping_refund, told.currency)
    if shipping:
        yield Row("charge:shipping", item, 1, shipping, "Shipping")
    rest = in_minor_digits(told.total, told.currency) - shipping - goods
    if rest:
        yield Row(f"charge:{ADJUSTMENT}", item, 1, rest, "Adjustment")
