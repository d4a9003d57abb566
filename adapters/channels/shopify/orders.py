"""Reads a Shopify order as the canonical order: what is still owed, in shop money."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from adapters.channels.shopify.payload import (
    ZERO,
    Customer,
    LineItem,
    OrderPayload,
    Person,
    ShippingLine,
    TaxLine,
    discount_of,
    key,
    shop,
    sku_of,
    text,
    total,
)
from canonical.money import MOST_DECIMALS, in_minor_digits
from canonical.order import CancelReason, Order

LONGEST_NOTE = 2_000
_REASONS: Mapping[str, CancelReason] = {
    "customer": "customer",
    "inventory": "stock",
    "fraud": "fraud",
    "declined": "payment",
}
"""Shopify's reasons for a cancellation that have one of ours; ``staff``, ``other`` and what may come are ``other``."""
_RATE_STEP = Decimal(1).scaleb(-MOST_DECIMALS)
_NOBODY = Customer()

Values = dict[str, object]
"""Fields of a canonical part, to be checked with the whole."""


def order_of(told: OrderPayload, source: str, as_of: datetime, *, cancelled: bool) -> Order:
    """The order in its told state; ``cancelled`` if the topic says so. Raises pydantic.ValidationError.

    Lines count with their ``current_quantity``: what was removed or refunded is owed no more. If nothing is left the
    order is cancelled in effect, and its lines are told as they were.
    """
    goods = [line for line in told.line_items if not _is_tip(line)]
    left = [line for line in goods if _pieces(line, now=True)]
    gone = bool(goods) and not left and any(line.quantity for line in goods)
    now = not gone and any(line.current_quantity is not None for line in told.line_items)
    shipping_lines = [line for line in told.shipping_lines or () if not line.is_removed]
    off = cancelled or gone or told.cancelled_at is not None
    # One reading of plain values: a model of each part, made first, would be looked at twice.
    return Order.model_validate(
        {
            "source": source,
            "key": key(told.id),
            "as_of": as_of,
            "number": text(told.name) or key(told.order_number) or key(told.id),
            "status": "cancelled" if off else "open",
            "placed_at": told.processed_at or told.created_at or as_of,
            "currency": told.currency,
            "prices_include_tax": bool(told.taxes_included),
            "customer": _party(told),
            "billing": _address(told.billing_address),
            "shipping": _address(told.shipping_address),
            "lines": [_line(line, told.currency, now=now) for line in goods if _pieces(line, now=now)],
            "charges": _charges(told, shipping_lines, now=now),
            "total_tax": _told_tax(told, now=now),
            "total": _told_total(told, now=now),
            "sales_channel": text(told.source_name),
            "test": bool(told.test),
            "shipping_method": next((text(s.title) or text(s.code) for s in shipping_lines), None),
            "location": key(told.location_id),
            "note": _note(told.note),
            "cancel_reason": _reason(told.cancel_reason) if off else None,
        }
    )


def _note(told: str | None) -> str | None:
    whole = text(told)
    return whole[:LONGEST_NOTE] if whole else None


def _reason(told: str | None) -> CancelReason | None:
    reason = text(told)
    return _REASONS.get(reason, "other") if reason else None


def _is_tip(line: LineItem) -> bool:
    return bool(text(line.tip_payment_gateway) or text(line.tip_payment_method))


def _pieces(line: LineItem, *, now: bool) -> int:
    return line.current_quantity if now and line.current_quantity is not None else line.quantity


def _line(line: LineItem, currency: str, *, now: bool) -> Values:
    pieces = _pieces(line, now=now)
    return {
        "key": key(line.id),
        "sku": sku_of(line),
        "title": text(line.name) or text(line.title),
        "quantity": pieces,
        "unit_price": shop(line.price_set, line.price),
        "discount": _share(discount_of(line), pieces, line.quantity, currency),
        "taxes": _taxes(line.tax_lines, pieces, line.quantity, currency),
        "requires_shipping": line.requires_shipping is not False and not line.gift_card,
    }


def _share(whole: Decimal, pieces: int, of: int, currency: str) -> Decimal:
    """Discounts and taxes are told for the line as it was sold; the pieces left carry their share."""
    return whole if pieces == of or not of else in_minor_digits(whole * pieces / of, currency)


def _taxes(told: tuple[TaxLine, ...] | None, pieces: int, of: int, currency: str) -> list[Values]:
    return [
        {
            "title": text(tax.title) or "Tax",
            "rate": None if tax.rate is None else _rate(tax.rate),
            "amount": _share(shop(tax.price_set, tax.price), pieces, of, currency),
        }
        for tax in told or ()
    ]


@lru_cache(maxsize=1024)
def _rate(told: Decimal) -> Decimal:
    return told.quantize(_RATE_STEP).normalize()


def _charges(told: OrderPayload, shipping_lines: Sequence[ShippingLine], *, now: bool) -> list[Values]:
    charges = [_shipping(line, told.currency) for line in shipping_lines]
    tip_lines = [line for line in told.line_items if _is_tip(line)]
    tip = total(shop(t.price_set, t.price) * _pieces(t, now=now) for t in tip_lines) or told.total_tip_received
    if tip:
        charges.append({"code": "tip", "title": "Tip", "price": tip})
    if not told.duties_included:
        charges.extend(_duties(told, now=now))
    fees_set = told.current_total_additional_fees_set if now else told.original_total_additional_fees_set
    if fees := shop(fees_set):
        charges.append({"code": "fees", "title": "Additional fees", "price": fees})
    return charges


def _shipping(line: ShippingLine, currency: str) -> Values:
    return {
        "code": "shipping",
        "title": text(line.title) or text(line.code),
        "price": shop(line.price_set, line.price),
        "discount": discount_of(line),
        "taxes": _taxes(line.tax_lines, 1, 1, currency),
    }


def _duties(told: OrderPayload, *, now: bool) -> list[Values]:
    price, taxes = ZERO, list[Values]()
    for line in told.line_items:
        pieces = _pieces(line, now=now)
        for duty in line.duties or ():
            amount = duty.shop_money.amount if duty.shop_money else shop(duty.price_set, duty.price)
            price += _share(amount, pieces, line.quantity, told.currency)
            taxes.extend(_taxes(duty.tax_lines, pieces, line.quantity, told.currency))
    price = price or shop(told.current_total_duties_set if now else told.original_total_duties_set)
    return [{"code": "duties", "title": "Duties", "price": price, "taxes": taxes}] if price else []


def _told_total(told: OrderPayload, *, now: bool) -> Decimal:
    original = shop(told.total_price_set, told.total_price)
    if not now or (told.current_total_price_set is None and told.current_total_price is None):
        return original
    return shop(told.current_total_price_set, told.current_total_price)


def _told_tax(told: OrderPayload, *, now: bool) -> Decimal:
    original = shop(told.total_tax_set, told.total_tax)
    if not now or (told.current_total_tax_set is None and told.current_total_tax is None):
        return original
    return shop(told.current_total_tax_set, told.current_total_tax)


def _party(told: OrderPayload) -> Values:
    customer = told.customer or _NOBODY
    return {
        "key": key(customer.id),
        "name": _full_name(customer) or _name(told.billing_address) or _name(told.shipping_address),
        "email": text(told.email) or text(told.contact_email) or text(customer.email),
        "phone": text(told.phone) or text(customer.phone),
    }


def _name(person: Person | None) -> str | None:
    return (text(person.name) or _full_name(person)) if person else None


def _full_name(person: Person | Customer) -> str | None:
    return " ".join(part for part in (text(person.first_name), text(person.last_name)) if part) or None


def _address(told: Person | None) -> Values | None:
    if told is None:
        return None
    return {
        "name": _name(told),
        "company": text(told.company),
        "line1": text(told.address1),
        "line2": text(told.address2),
        "city": text(told.city),
        "region": text(told.province_code) or text(told.province),
        "postal_code": text(told.zip),
        "country": text(told.country_code) or text(told.country),
        "phone": text(told.phone),
    }
