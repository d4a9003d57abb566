"""Amounts of a record: line amounts, tax, discount, shipping and the total, to the currency's smallest unit."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from workers.sandbox.catalogue import Catalogue
from workers.sandbox.problems import invalid_content
from workers.sandbox.records import ZERO, Line, Record

_PLACES = {"JPY": Decimal(1), "KWD": Decimal("0.001")}
_CENT = Decimal("0.01")
_HUNDRED = Decimal(100)


def number(told: Mapping[str, object], name: str) -> Decimal | None:
    """A field as a number, None if it was not told."""
    value = told.get(name)
    return value if isinstance(value, Decimal) else None


def currency_of(record: Record, catalogue: Catalogue) -> str:
    """ISO code of the record's currency; the account's own is US dollars."""
    return catalogue.entries["currency"][str(record.header.get("currency") or "1")].name


def line_amount(told: Mapping[str, object], quantity: Decimal, price: Decimal, unit: Decimal) -> Decimal:
    """What a line comes to: its own amount, else rate times quantity, else the list price times quantity."""
    amount = number(told, "amount")
    if amount is None:
        rate = number(told, "rate")
        amount = (price if rate is None else rate) * quantity
    return amount.quantize(unit, ROUND_HALF_UP)


def unit_of(currency: str) -> Decimal:
    """Smallest unit of a currency."""
    return _PLACES.get(currency, _CENT)


def reckon(record: Record, catalogue: Catalogue) -> None:
    """Work out tax, discount and total. Raises Refusal if the tax details do not belong to the lines."""
    unit = unit_of(currency_of(record, catalogue))
    header = record.header
    record.subtotal = sum((line.amount for line in record.lines), ZERO)
    record.discount = _discount(header, record.subtotal, unit)
    if header.get("taxDetailsOverride") is True:
        record.tax = _tax_from_details(record)
    else:
        for line in record.lines:
            line.tax = _tax_of(line, catalogue, unit)
        record.tax = sum((line.tax for line in record.lines), ZERO) + _shipping_tax(header, catalogue, unit)
    extra = sum((number(header, name) or ZERO for name in ("shippingCost", "handlingCost")), ZERO)
    record.total = (record.subtotal + record.discount + record.tax + extra).quantize(unit, ROUND_HALF_UP)


def _discount(header: Mapping[str, object], subtotal: Decimal, unit: Decimal) -> Decimal:
    if header.get("discountItem") is None:
        return ZERO
    rate = number(header, "discountRate")
    if rate is None:
        return ZERO
    if str(header.get("discountRateIsPercent")) == "True":
        rate = subtotal * rate / _HUNDRED
    return rate.quantize(unit, ROUND_HALF_UP)


def _tax_from_details(record: Record) -> Decimal:
    known = {str(line.told.get("taxDetailsReference")): line for line in record.lines}
    known_extra = {"SHIPPING", "HANDLING"}
    for line in record.lines:
        line.tax = ZERO
    total = ZERO
    for n, row in enumerate(record.tax_details):
        reference = str(row["taxDetailsReference"])
        if reference not in known and reference not in known_extra:
            raise invalid_content(f"Invalid tax details reference {reference}.", f"taxDetails.items[{n}].taxDetailsReference")
        amount = number(row, "taxAmount") or ZERO
        total += amount
        if reference in known:
            known[reference].tax += amount
    return total


def _tax_of(line: Line, catalogue: Catalogue, unit: Decimal) -> Decimal:
    told = number(line.told, "tax1Amt")
    if told is not None:
        return told
    rate = number(line.told, "taxRate1")
    code = line.told.get("taxCode")
    if rate is None and isinstance(code, str):
        rate = catalogue.entries["taxCode"][code].rate
    return (line.amount * (rate or ZERO) / _HUNDRED).quantize(unit, ROUND_HALF_UP)


def _shipping_tax(header: Mapping[str, object], catalogue: Catalogue, unit: Decimal) -> Decimal:
    rate = number(header, "shippingTax1Rate")
    code = header.get("shippingTaxCode")
    if rate is None and isinstance(code, str):
        rate = catalogue.entries["taxCode"][code].rate
    cost = number(header, "shippingCost") or ZERO
    return (cost * (rate or ZERO) / _HUNDRED).quantize(unit, ROUND_HALF_UP)
