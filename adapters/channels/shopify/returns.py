"""Reads a Shopify refund as the canonical return: the goods, the shipping and the rest that was paid back."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from adapters.channels.shopify.payload import (
    ZERO,
    MoneySet,
    RefundLine,
    RefundPayload,
    discount_of,
    key,
    shop,
    sku_of,
    text,
    total,
)
from canonical.money import Currency, in_minor_digits
from canonical.returns import Return

LONGEST_REASON = 2_000
_FAILED = frozenset({"failure", "error"})
_CURRENCY: TypeAdapter[str] = TypeAdapter(Currency)


def return_of(told: RefundPayload, source: str, as_of: datetime) -> Return:
    """The return. Raises pydantic.ValidationError.

    ``total`` is what the payments gave back in shop money; where no payment tells it, the value of what is returned.
    What was paid beyond goods and shipping is the adjustment; what was kept back shows as a total below their sum.
    """
    currency = _currency(told)
    lines = [_line(line, told, currency) for line in told.refund_line_items or () if line.quantity]
    shipping = _shipping(told)
    adjustment = max(ZERO, -total(_adjusted(told)))
    value = total(line["net"] + line["tax"] for line in lines) + shipping + adjustment
    paid = _paid(told, currency)
    note = text(told.note)
    return Return.model_validate(
        {
            "source": source,
            "key": key(told.id),
            "as_of": as_of,
            "order_key": key(told.order_id),
            "returned_at": told.processed_at or told.created_at or as_of,
            "currency": currency,
            "lines": lines,
            "shipping_refund": shipping,
            "adjustment": adjustment,
            "total": value if paid is None else paid,
            "reason": note[:LONGEST_REASON] if note else None,
        }
    )


def _line(line: RefundLine, told: RefundPayload, currency: str) -> dict[str, Any]:
    return {
        "order_line": key(line.line_item_id),
        "sku": sku_of(line.line_item),
        "quantity": line.quantity,
        "restock": _restocks(line, told),
        "net": _net(line, currency),
        "tax": _tax(line, currency),
        "location": key(line.location_id),
    }


def _restocks(line: RefundLine, told: RefundPayload) -> bool:
    restock_type = text(line.restock_type)
    return restock_type != "no_restock" if restock_type else told.restock is not False


def _net(line: RefundLine, currency: str) -> Decimal:
    if line.subtotal_set is not None or line.subtotal is not None:
        return shop(line.subtotal_set, line.subtotal)
    sold = line.line_item
    full_price = shop(sold.price_set, sold.price) * line.quantity
    return max(ZERO, full_price - _share(discount_of(sold), line, currency))


def _tax(line: RefundLine, currency: str) -> Decimal:
    if line.total_tax_set is not None or line.total_tax is not None:
        return shop(line.total_tax_set, line.total_tax)
    return _share(total(shop(tax.price_set, tax.price) for tax in line.line_item.tax_lines or ()), line, currency)


def _share(whole: Decimal, line: RefundLine, currency: str) -> Decimal:
    sold = line.line_item.quantity
    return whole if line.quantity == sold or not sold else in_minor_digits(whole * line.quantity / sold, currency)


def _shipping(told: RefundPayload) -> Decimal:
    """Shipping and its tax. The adjustment carries both; newer API versions may tell only the shipping lines."""
    kinds = [a for a in told.order_adjustments or () if a.kind == "shipping_refund"]
    if kinds:
        given = total(shop(a.amount_set, a.amount) + shop(a.tax_amount_set, a.tax_amount) for a in kinds)
        return max(ZERO, -given)
    return max(ZERO, total(shop(line.subtotal_amount_set) for line in told.refund_shipping_lines or ()))


def _adjusted(told: RefundPayload) -> Iterator[Decimal]:
    for adjustment in told.order_adjustments or ():
        if adjustment.kind != "shipping_refund":
            yield shop(adjustment.amount_set, adjustment.amount)
            yield shop(adjustment.tax_amount_set, adjustment.tax_amount)


def _paid(told: RefundPayload, currency: str) -> Decimal | None:
    refunds = [t for t in told.transactions or () if text(t.kind) in ("refund", None) and t.status not in _FAILED]
    # A payment in the buyer's currency says nothing in the shop's.
    if not refunds or any(t.currency not in (currency, None) for t in refunds):
        return None
    return total(t.amount for t in refunds)


def _currency(told: RefundPayload) -> str:
    """A refund names no currency of its own: its sets do, else its payments. Raises pydantic.ValidationError if none does."""
    codes = (code for code in (*_set_currencies(told), *(t.currency for t in told.transactions or ())) if code)
    return _CURRENCY.validate_python(next(codes, ""))


def _set_currencies(told: RefundPayload) -> Iterator[str | None]:
    sets: list[MoneySet | None] = [line.subtotal_set for line in told.refund_line_items or ()]
    sets += [line.subtotal_amount_set for line in told.refund_shipping_lines or ()]
    sets += [adjustment.amount_set for adjustment in told.order_adjustments or ()]
    sets += [line.line_item.price_set for line in told.refund_line_items or ()]
    sets.append(told.total_duties_set)
    return (told_set.shop_money.currency_code for told_set in sets if told_set is not None)
