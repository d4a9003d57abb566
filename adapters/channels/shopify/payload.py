"""Names what a Shopify webhook body holds, as far as it is read: REST Admin API 2026-07 shapes without their root key.

These shapes are read into by msgspec: they live for the moment between a body and its canonical document, which is where
texts, keys and sums are checked as well. What is reckoned with before that is checked here already: amounts and counts.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from msgspec import Meta, Struct

from canonical.money import exact, known_currency
from canonical.order import MOST_LINES

ZERO = Decimal(0)


class Amount(Decimal):
    """An exact amount of any sign, below 10^12 and with at most 6 decimals."""

    __slots__ = ()


class Unsigned(Amount):
    """An amount that is not negative."""

    __slots__ = ()


NOTHING = Unsigned(0)


class Code(str):
    """An ISO 4217 code in force."""

    __slots__ = ()


Id = Annotated[str, Meta(min_length=1, max_length=190)] | int
"""Ids pass 2^53 in Shopify's own test notifications; `key` makes a text of them."""
Text = Annotated[str, Meta(max_length=2_000)]
Time = Annotated[datetime, Meta(tz=True)]
Pieces = Annotated[int, Meta(ge=0, le=1_000_000)]


def checked(wanted: type, told: Any) -> Any:
    """The amount or code that a field holds. Raises ValueError for what is none."""
    if wanted is Unsigned or wanted is Amount:
        if isinstance(told, str):
            return _unsigned(told) if wanted is Unsigned else _amount(told)
        if isinstance(told, int | Decimal) and not isinstance(told, bool):
            amount = _number(str(told))
            return _not_negative(amount) if wanted is Unsigned else amount
        raise ValueError("an amount must be a decimal string or an exact number")
    if wanted is Code and isinstance(told, str):
        return Code(known_currency(told))
    raise ValueError("a text was expected")


# The same few amounts stand in every order: they are looked at once.
@lru_cache(maxsize=4096)
def _unsigned(written: str) -> Unsigned:
    return _not_negative(exact(written))


@lru_cache(maxsize=4096)
def _amount(written: str) -> Amount:
    return Amount(exact(written))


@lru_cache(maxsize=4096)
def _number(told: str) -> Amount:
    return Amount(exact(Decimal(told)))


def _not_negative(amount: Decimal) -> Unsigned:
    if amount < 0:
        raise ValueError("an amount that cannot be negative")
    return Unsigned(amount)


class Part(Struct, frozen=True, gc=False):
    """Base: frozen, and whatever we do not read is ignored."""


class ShopMoney(Part, frozen=True):
    """An amount in the shop's own currency, the one the merchant keeps his books in."""

    amount: Amount
    currency_code: Text | None = None


class MoneySet(Part, frozen=True):
    """One amount in two currencies; presentment money (the buyer's) is never read."""

    shop_money: ShopMoney


class TaxLine(Part, frozen=True):
    """A tax of a line."""

    title: Text | None = None
    price: Unsigned = NOTHING
    price_set: MoneySet | None = None
    rate: Amount | None = None


class Allocation(Part, frozen=True):
    """The part of an order's discount that falls on one line."""

    amount: Unsigned = NOTHING
    amount_set: MoneySet | None = None


class Duty(Part, frozen=True):
    """An import duty of a line."""

    shop_money: ShopMoney | None = None
    price: Unsigned = NOTHING
    price_set: MoneySet | None = None
    tax_lines: tuple[TaxLine, ...] | None = None


class LineItem(Part, frozen=True, kw_only=True):
    """A line of an order, and the same line inside a fulfilment or a refund."""

    id: Id
    variant_id: Id | None = None
    sku: Text | None = None
    title: Text | None = None
    name: Text | None = None
    quantity: Pieces
    current_quantity: Pieces | None = None
    price: Unsigned = NOTHING
    price_set: MoneySet | None = None
    total_discount: Unsigned | None = None
    total_discount_set: MoneySet | None = None
    discount_allocations: tuple[Allocation, ...] | None = None
    tax_lines: tuple[TaxLine, ...] | None = None
    duties: tuple[Duty, ...] | None = None
    requires_shipping: bool | None = None
    gift_card: bool | None = None
    tip_payment_gateway: Text | None = None
    tip_payment_method: Text | None = None


class ShippingLine(Part, frozen=True):
    """What is charged for shipping."""

    code: Text | None = None
    title: Text | None = None
    price: Unsigned = NOTHING
    price_set: MoneySet | None = None
    discounted_price: Unsigned | None = None
    discounted_price_set: MoneySet | None = None
    discount_allocations: tuple[Allocation, ...] | None = None
    tax_lines: tuple[TaxLine, ...] | None = None
    is_removed: bool | None = None


class Person(Part, frozen=True):
    """A postal address."""

    name: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    company: Text | None = None
    address1: Text | None = None
    address2: Text | None = None
    city: Text | None = None
    province: Text | None = None
    province_code: Text | None = None
    zip: Text | None = None
    country: Text | None = None
    country_code: Text | None = None
    phone: Text | None = None


class Customer(Part, frozen=True):
    """The buyer's account."""

    id: Id | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    email: Text | None = None
    phone: Text | None = None


class OrderPayload(Part, frozen=True, kw_only=True):
    """Body of orders/create, orders/updated and orders/cancelled."""

    id: Id
    name: Text | None = None
    order_number: Id | None = None
    created_at: Time | None = None
    processed_at: Time | None = None
    updated_at: Time | None = None
    cancelled_at: Time | None = None
    cancel_reason: Text | None = None
    currency: Code
    taxes_included: bool | None = None
    duties_included: bool | None = None
    test: bool | None = None
    source_name: Text | None = None
    location_id: Id | None = None
    note: str | None = None
    email: Text | None = None
    contact_email: Text | None = None
    phone: Text | None = None
    customer: Customer | None = None
    billing_address: Person | None = None
    shipping_address: Person | None = None
    line_items: Annotated[tuple[LineItem, ...], Meta(max_length=MOST_LINES)]
    shipping_lines: tuple[ShippingLine, ...] | None = None
    total_price: Unsigned
    total_price_set: MoneySet | None = None
    current_total_price: Unsigned | None = None
    current_total_price_set: MoneySet | None = None
    total_tax: Unsigned | None = None
    total_tax_set: MoneySet | None = None
    current_total_tax: Unsigned | None = None
    current_total_tax_set: MoneySet | None = None
    total_tip_received: Unsigned | None = None
    original_total_duties_set: MoneySet | None = None
    current_total_duties_set: MoneySet | None = None
    original_total_additional_fees_set: MoneySet | None = None
    current_total_additional_fees_set: MoneySet | None = None


class FulfillmentPayload(Part, frozen=True, kw_only=True):
    """Body of fulfillments/create and fulfillments/update."""

    id: Id
    order_id: Id
    name: Text | None = None
    status: Text | None = None
    created_at: Time | None = None
    updated_at: Time | None = None
    location_id: Id | None = None
    tracking_company: Text | None = None
    tracking_number: Text | None = None
    tracking_numbers: tuple[Text, ...] | None = None
    line_items: Annotated[tuple[LineItem, ...], Meta(max_length=MOST_LINES)]


class FulfillmentEventPayload(Part, frozen=True, kw_only=True):
    """Body of fulfillment_events/create."""

    id: Id
    order_id: Id
    fulfillment_id: Id
    status: Text
    happened_at: Time | None = None
    updated_at: Time | None = None


class RefundLine(Part, frozen=True, kw_only=True):
    """Pieces of one line given back; its amounts arrive as JSON numbers beside sets of strings."""

    line_item_id: Id
    quantity: Pieces
    restock_type: Text | None = None
    location_id: Id | None = None
    subtotal: Unsigned | None = None
    subtotal_set: MoneySet | None = None
    total_tax: Unsigned | None = None
    total_tax_set: MoneySet | None = None
    line_item: LineItem


class RefundShipping(Part, frozen=True):
    """Shipping given back (API 2024-10 and later)."""

    subtotal_amount_set: MoneySet


class Adjustment(Part, frozen=True):
    """A difference between the goods' value and what was paid back; negative: paid to the buyer."""

    kind: Text | None = None
    amount: Amount = NOTHING
    amount_set: MoneySet | None = None
    tax_amount: Amount | None = None
    tax_amount_set: MoneySet | None = None


class Transaction(Part, frozen=True):
    """A movement of money."""

    kind: Text | None = None
    status: Text | None = None
    amount: Unsigned = NOTHING
    currency: Code | None = None


class RefundPayload(Part, frozen=True):
    """Body of refunds/create."""

    id: Id
    order_id: Id
    created_at: Time | None = None
    processed_at: Time | None = None
    note: str | None = None
    restock: bool | None = None
    refund_line_items: Annotated[tuple[RefundLine, ...], Meta(max_length=MOST_LINES)] | None = None
    refund_shipping_lines: tuple[RefundShipping, ...] | None = None
    order_adjustments: tuple[Adjustment, ...] | None = None
    transactions: tuple[Transaction, ...] | None = None
    total_duties_set: MoneySet | None = None


def shop(told: MoneySet | None, plain: Decimal | None = None) -> Decimal:
    """The amount in shop money: from the set if there is one, else the plain field (shop money as well)."""
    return told.shop_money.amount if told is not None else plain or ZERO


def key(told: str | int | None) -> str | None:
    """An id as text; None for a blank one."""
    return text(told) if isinstance(told, str) else None if told is None else str(told)


def text(told: str | None) -> str | None:
    """The text, None for a blank one."""
    return None if not told or told.isspace() else told


def discount_of(line: LineItem | ShippingLine) -> Decimal:
    """Everything taken off a whole line: its allocations; a line from before they existed tells a total instead."""
    if line.discount_allocations:
        return total(shop(a.amount_set, a.amount) for a in line.discount_allocations)
    if isinstance(line, LineItem):
        return shop(line.total_discount_set, line.total_discount)
    if line.discounted_price_set is None and line.discounted_price is None:
        return ZERO
    return max(ZERO, shop(line.price_set, line.price) - shop(line.discounted_price_set, line.discounted_price))


def sku_of(line: LineItem) -> str:
    """The line's SKU; without one ``variant-<id>``; a line typed in by hand, without a product, is ``line-<id>``."""
    if sku := text(line.sku):
        return sku
    variant = key(line.variant_id)
    return f"variant-{variant}" if variant else f"line-{line.id}"


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Sum that stays a Decimal when there is nothing to add."""
    return sum(amounts, ZERO)
