"""Reads a Shopify order as the canonical order: what is still owed, in shop money."""

from datetime import datetime
from decimal import Decimal

from adapters.channels.shopify.payload import (
    ZERO,
    Customer,
    LineItem,
    OrderPayload,
    Person,
    ShippingLine,
    TaxLine,
    discount_of,
    shop,
    sku_of,
    total,
)
from canonical.money import MOST_DECIMALS, in_minor_digits
from canonical.order import Charge, Order, OrderLine, Tax
from canonical.party import Address, Party

LONGEST_NOTE = 2_000
_RATE_STEP = Decimal(1).scaleb(-MOST_DECIMALS)


def order_of(told: OrderPayload, source: str, as_of: datetime, *, cancelled: bool) -> Order:
    """The order in its told state; ``cancelled`` if the topic says so. Raises pydantic.ValidationError.

    Lines count with their ``current_quantity``: what was removed or refunded is owed no more. If nothing is left the
    order is cancelled in effect, and its lines are told as they were.
    """
    goods = [line for line in told.line_items if not _is_tip(line)]
    left = [line for line in goods if _pieces(line, now=True)]
    gone = bool(goods) and not left and any(line.quantity for line in goods)
    now = not gone and any(line.current_quantity is not None for line in told.line_items)
    placed_at = told.processed_at or told.created_at or as_of
    return Order(
        source=source,
        key=told.id,
        as_of=as_of,
        number=told.name or told.order_number or told.id,
        status="cancelled" if cancelled or gone or told.cancelled_at is not None else "open",
        placed_at=placed_at,
        currency=told.currency,
        prices_include_tax=bool(told.taxes_included),
        customer=_party(told),
        billing=_address(told.billing_address),
        shipping=_address(told.shipping_address),
        lines=tuple(_line(line, told.currency, now=now) for line in goods if _pieces(line, now=now)),
        charges=_charges(told, now=now),
        total_tax=_told_tax(told, now=now),
        total=_told_total(told, now=now),
        sales_channel=told.source_name,
        test=bool(told.test),
        shipping_method=next((s.title or s.code for s in told.shipping_lines if not s.is_removed), None),
        location=told.location_id,
        note=told.note[:LONGEST_NOTE] if told.note else None,
    )


def _is_tip(line: LineItem) -> bool:
    return line.tip_payment_gateway is not None or line.tip_payment_method is not None


def _pieces(line: LineItem, *, now: bool) -> int:
    return line.current_quantity if now and line.current_quantity is not None else line.quantity


def _line(line: LineItem, currency: str, *, now: bool) -> OrderLine:
    pieces = _pieces(line, now=now)
    return OrderLine(
        key=line.id,
        sku=sku_of(line),
        title=line.name or line.title,
        quantity=pieces,
        unit_price=shop(line.price_set, line.price),
        discount=_share(discount_of(line), pieces, line.quantity, currency),
        taxes=_taxes(line.tax_lines, pieces, line.quantity, currency),
        requires_shipping=line.requires_shipping is not False and not line.gift_card,
    )


def _share(whole: Decimal, pieces: int, of: int, currency: str) -> Decimal:
    """Discounts and taxes are told for the line as it was sold; the pieces left carry their share."""
    return whole if pieces == of or not of else in_minor_digits(whole * pieces / of, currency)


def _taxes(told: tuple[TaxLine, ...], pieces: int, of: int, currency: str) -> tuple[Tax, ...]:
    return tuple(
        Tax(
            title=tax.title or "Tax",
            rate=None if tax.rate is None else tax.rate.quantize(_RATE_STEP).normalize(),
            amount=_share(shop(tax.price_set, tax.price), pieces, of, currency),
        )
        for tax in told
    )


def _charges(told: OrderPayload, *, now: bool) -> tuple[Charge, ...]:
    charges = [_shipping(line, told.currency) for line in told.shipping_lines if not line.is_removed]
    tip_lines = [line for line in told.line_items if _is_tip(line)]
    tip = total(shop(t.price_set, t.price) * _pieces(t, now=now) for t in tip_lines) or told.total_tip_received
    if tip:
        charges.append(Charge(code="tip", title="Tip", price=tip))
    if not told.duties_included:
        charges.extend(_duties(told, now=now))
    fees_set = told.current_total_additional_fees_set if now else told.original_total_additional_fees_set
    if fees := shop(fees_set):
        charges.append(Charge(code="fees", title="Additional fees", price=fees))
    return tuple(charges)


def _shipping(line: ShippingLine, currency: str) -> Charge:
    return Charge(
        code="shipping",
        title=line.title or line.code,
        price=shop(line.price_set, line.price),
        discount=discount_of(line),
        taxes=_taxes(line.tax_lines, 1, 1, currency),
    )


def _duties(told: OrderPayload, *, now: bool) -> list[Charge]:
    price, taxes = ZERO, list[Tax]()
    for line in told.line_items:
        pieces = _pieces(line, now=now)
        for duty in line.duties:
            amount = duty.shop_money.amount if duty.shop_money else shop(duty.price_set, duty.price)
            price += _share(amount, pieces, line.quantity, told.currency)
            taxes.extend(_taxes(duty.tax_lines, pieces, line.quantity, told.currency))
    price = price or shop(told.current_total_duties_set if now else told.original_total_duties_set)
    return [Charge(code="duties", title="Duties", price=price, taxes=tuple(taxes))] if price else []


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


def _party(told: OrderPayload) -> Party:
    customer = told.customer or Customer()
    return Party(
        key=customer.id,
        name=_full_name(customer) or _name(told.billing_address) or _name(told.shipping_address),
        email=told.email or told.contact_email or customer.email,
        phone=told.phone or customer.phone,
    )


def _name(person: Person | None) -> str | None:
    return (person.name or _full_name(person)) if person else None


def _full_name(person: Person | Customer) -> str | None:
    return " ".join(part for part in (person.first_name, person.last_name) if part) or None


def _address(told: Person | None) -> Address | None:
    if told is None:
        return None
    return Address(
        name=_name(told),
        company=told.company,
        line1=told.address1,
        line2=told.address2,
        city=told.city,
        region=told.province_code or told.province,
        postal_code=told.zip,
        country=told.country_code or told.country,
        phone=told.phone,
    )
