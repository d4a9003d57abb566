"""Names what a Shopify webhook body holds, as far as it is read: REST Admin API 2026-07 shapes without their root key."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from canonical.model import Key, Moment, Text
from canonical.money import Amount, Currency, Unsigned
from canonical.order import MOST_LINES

ZERO = Decimal(0)


def _identifier(value: Any) -> Any:
    # Ids pass 2^53 in Shopify's own test notifications, so they are text from here on.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _null_is_empty(value: Any) -> Any:
    return () if value is None else value


def _written_time(value: Any) -> Any:
    if isinstance(value, str) and "T" in value:
        return value
    raise ValueError("a time such as 2026-01-31T12:00:00-05:00 is needed")


def _null_time(value: Any) -> Any:
    return value if value is None else _written_time(value)


Id = Annotated[Key, BeforeValidator(_identifier)]
OptionalId = Annotated[Key | None, BeforeValidator(_blank_is_none), BeforeValidator(_identifier)]
OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_none)]
LongText = Annotated[str | None, BeforeValidator(_blank_is_none)]
OptionalTime = Annotated[Moment | None, BeforeValidator(_null_time)]
Time = Annotated[Moment, BeforeValidator(_written_time)]
Pieces = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Listed = BeforeValidator(_null_is_empty)


class Part(BaseModel):
    """Base: frozen, and whatever we do not read is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class ShopMoney(Part):
    """An amount in the shop's own currency, the one the merchant keeps his books in."""

    amount: Amount
    currency_code: Currency | None = None


class MoneySet(Part):
    """One amount in two currencies; presentment money (the buyer's) is never read."""

    shop_money: ShopMoney


class TaxLine(Part):
    """A tax of a line."""

    title: OptionalText = None
    price: Unsigned = ZERO
    price_set: MoneySet | None = None
    rate: Amount | None = None


class Allocation(Part):
    """The part of an order's discount that falls on one line."""

    amount: Unsigned = ZERO
    amount_set: MoneySet | None = None


class Duty(Part):
    """An import duty of a line."""

    shop_money: ShopMoney | None = None
    price: Unsigned = ZERO
    price_set: MoneySet | None = None
    tax_lines: Annotated[tuple[TaxLine, ...], Listed] = ()


class LineItem(Part):
    """A line of an order, and the same line inside a fulfilment or a refund."""

    id: Id
    variant_id: OptionalId = None
    sku: OptionalText = None
    title: OptionalText = None
    name: OptionalText = None
    quantity: Pieces
    current_quantity: Pieces | None = None
    price: Unsigned = ZERO
    price_set: MoneySet | None = None
    total_discount: Unsigned | None = None
    total_discount_set: MoneySet | None = None
    discount_allocations: Annotated[tuple[Allocation, ...], Listed] = ()
    tax_lines: Annotated[tuple[TaxLine, ...], Listed] = ()
    duties: Annotated[tuple[Duty, ...], Listed] = ()
    requires_shipping: bool | None = None
    gift_card: bool | None = None
    tip_payment_gateway: OptionalText = None
    tip_payment_method: OptionalText = None


class ShippingLine(Part):
    """What is charged for shipping."""

    code: OptionalText = None
    title: OptionalText = None
    price: Unsigned = ZERO
    price_set: MoneySet | None = None
    discounted_price: Unsigned | None = None
    discounted_price_set: MoneySet | None = None
    discount_allocations: Annotated[tuple[Allocation, ...], Listed] = ()
    tax_lines: Annotated[tuple[TaxLine, ...], Listed] = ()
    is_removed: bool | None = None


class Person(Part):
    """A postal address."""

    name: OptionalText = None
    first_name: OptionalText = None
    last_name: OptionalText = None
    company: OptionalText = None
    address1: OptionalText = None
    address2: OptionalText = None
    city: OptionalText = None
    province: OptionalText = None
    province_code: OptionalText = None
    zip: OptionalText = None
    country: OptionalText = None
    country_code: OptionalText = None
    phone: OptionalText = None


class Customer(Part):
    """The buyer's account."""

    id: OptionalId = None
    first_name: OptionalText = None
    last_name: OptionalText = None
    email: OptionalText = None
    phone: OptionalText = None


class OrderPayload(Part):
    """Body of orders/create, orders/updated and orders/cancelled."""

    id: Id
    name: OptionalText = None
    order_number: OptionalId = None
    created_at: OptionalTime = None
    processed_at: OptionalTime = None
    updated_at: OptionalTime = None
    cancelled_at: OptionalTime = None
    currency: Currency
    taxes_included: bool | None = None
    duties_included: bool | None = None
    test: bool | None = None
    source_name: OptionalText = None
    location_id: OptionalId = None
    note: LongText = None
    email: OptionalText = None
    contact_email: OptionalText = None
    phone: OptionalText = None
    customer: Customer | None = None
    billing_address: Person | None = None
    shipping_address: Person | None = None
    line_items: Annotated[tuple[LineItem, ...], Field(max_length=MOST_LINES)]
    shipping_lines: Annotated[tuple[ShippingLine, ...], Listed] = ()
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


class FulfillmentPayload(Part):
    """Body of fulfillments/create and fulfillments/update."""

    id: Id
    order_id: Id
    name: OptionalText = None
    status: OptionalText = None
    created_at: OptionalTime = None
    updated_at: OptionalTime = None
    location_id: OptionalId = None
    tracking_company: OptionalText = None
    tracking_number: OptionalText = None
    tracking_numbers: Annotated[tuple[Text, ...], Listed] = ()
    line_items: Annotated[tuple[LineItem, ...], Field(max_length=MOST_LINES)]


class RefundLine(Part):
    """Pieces of one line given back; its amounts arrive as JSON numbers beside sets of strings."""

    line_item_id: Id
    quantity: Pieces
    restock_type: OptionalText = None
    location_id: OptionalId = None
    subtotal: Unsigned | None = None
    subtotal_set: MoneySet | None = None
    total_tax: Unsigned | None = None
    total_tax_set: MoneySet | None = None
    line_item: LineItem


class RefundShipping(Part):
    """Shipping given back (API 2024-10 and later)."""

    subtotal_amount_set: MoneySet


class Adjustment(Part):
    """A difference between the goods' value and what was paid back; negative: paid to the buyer."""

    kind: OptionalText = None
    amount: Amount = ZERO
    amount_set: MoneySet | None = None
    tax_amount: Amount | None = None
    tax_amount_set: MoneySet | None = None


class Transaction(Part):
    """A movement of money."""

    kind: OptionalText = None
    status: OptionalText = None
    amount: Unsigned = ZERO
    currency: Currency | None = None


class RefundPayload(Part):
    """Body of refunds/create."""

    id: Id
    order_id: Id
    created_at: OptionalTime = None
    processed_at: OptionalTime = None
    note: LongText = None
    restock: bool | None = None
    refund_line_items: Annotated[tuple[RefundLine, ...], Listed, Field(max_length=MOST_LINES)] = ()
    refund_shipping_lines: Annotated[tuple[RefundShipping, ...], Listed] = ()
    order_adjustments: Annotated[tuple[Adjustment, ...], Listed] = ()
    transactions: Annotated[tuple[Transaction, ...], Listed] = ()
    total_duties_set: MoneySet | None = None


def shop(told: MoneySet | None, plain: Decimal | None = None) -> Decimal:
    """The amount in shop money: from the set if there is one, else the plain field (shop money as well)."""
    return told.shop_money.amount if told is not None else plain or ZERO


def discount_of(line: LineItem | ShippingLine) -> Decimal:
    """Everything taken off a whole line: its allocations; a line from before they existed tells a total instead."""
    if line.discount_allocations:
        return total(shop(a.amount_set, a.amount) for a in line.discount_allocations)
    if isinstance(line, LineItem):
        return shop(line.total_discount_set, line.total_discount)
    price = shop(line.price_set, line.price)
    if line.discounted_price_set is None and line.discounted_price is None:
        return ZERO
    return max(ZERO, price - shop(line.discounted_price_set, line.discounted_price))


def sku_of(line: LineItem) -> str:
    """The line's SKU; without one ``variant-<id>``; a line typed in by hand, without a product, is ``line-<id>``."""
    if line.sku:
        return line.sku
    return f"variant-{line.variant_id}" if line.variant_id else f"line-{line.id}"


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Sum that stays a Decimal when there is nothing to add."""
    return sum(amounts, ZERO)
