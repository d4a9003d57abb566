"""How Shopify's orders are read."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.channels.base import Parsed, Unreadable
from canonical.order import Order
from tests.adapters.channels.requests import NOW, SHARED, example, parse


def payload(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(example("shopify"))
    return found | changes


def line(index: int = 0, **changes: Any) -> dict[str, Any]:
    """The order with one line changed."""
    whole = payload()
    whole["line_items"][index] |= changes
    return whole


def order(body: dict[str, Any] | bytes, topic: str = "orders/create", **headers: str) -> Order:
    answer = parse("shopify", body, topic, **headers)
    assert isinstance(answer, Parsed), answer
    (document,) = answer.documents
    assert isinstance(document, Order)
    return document


def fault(body: dict[str, Any], topic: str = "orders/create") -> Unreadable:
    answer = parse("shopify", body, topic)
    assert isinstance(answer, Unreadable), answer
    return answer


def owed(found: Order) -> Decimal:
    """What lines and charges add up to, taxes on top unless the prices hold them."""
    net = sum((line.net for line in found.lines), Decimal(0)) + sum((c.net for c in found.charges), Decimal(0))
    return net if found.prices_include_tax else net + taxes(found)


def taxes(found: Order) -> Decimal:
    """The taxes of lines and charges."""
    return sum((line.tax for line in found.lines), Decimal(0)) + sum((c.tax for c in found.charges), Decimal(0))


def test_an_order_is_read_whole() -> None:
    found = order(example("shopify"))

    assert (found.key, found.number, found.status) == ("820982911946154508", "#2001", "open")
    assert found.as_of == datetime(2026, 7, 1, 2, 0, 1, tzinfo=UTC)
    assert found.placed_at == datetime(2026, 7, 1, 1, 58, 57, tzinfo=UTC)
    assert (found.currency, found.prices_include_tax) == ("EUR", True)
    assert [(item.key, item.sku, item.quantity, item.unit_price, item.discount) for item in found.lines] == [
        ("11", "TOP-1", 3, Decimal("11.90"), Decimal("3.57")),
        ("12", "variant-502", 1, Decimal("25.00"), Decimal("0.00")),
    ]
    assert [(c.code, c.price, c.discount, c.tax) for c in found.charges] == [
        ("shipping", Decimal("5.95"), Decimal("1.19"), Decimal("0.76")),
        ("tip", Decimal("2.00"), Decimal(0), Decimal(0)),
    ]
    assert found.lines[0].taxes[0].rate == Decimal("0.19")
    assert [item.requires_shipping for item in found.lines] == [True, False]
    assert (found.total, found.total_tax) == (Decimal("63.89"), Decimal("5.89"))
    assert owed(found) == found.total
    assert (found.customer.key, found.customer.name, found.customer.email) == ("7001", "Ada Lovell", "ada@example.org")
    assert found.shipping is not None
    assert (found.shipping.name, found.shipping.country, found.shipping.line2) == ("Ada Lovell", "DE", None)
    assert (found.shipping_method, found.sales_channel, found.note) == ("Express", "web", "leave it at the door")


def test_amounts_are_shop_money_not_what_the_buyer_saw() -> None:
    price_set = {"shop_money": {"amount": "9.00"}, "presentment_money": {"amount": "77.00", "currency_code": "USD"}}

    assert order(line(price="77.00", price_set=price_set)).lines[0].unit_price == Decimal("9.00")


@pytest.mark.parametrize("price", ["11.90", 11.90, 12, "12"])
def test_money_is_read_exactly_from_strings_and_numbers(price: str | float) -> None:
    assert order(line(price=price, price_set=None)).lines[0].unit_price == Decimal(str(price))


@pytest.mark.parametrize("price", ["12,50", "1e400", "NaN", "Infinity", "-1.00", "", True, [], {}, "0.1234567", "1e12"])
def test_money_that_is_no_amount_is_unreadable(price: Any) -> None:
    answer = fault(line(price=price, price_set=None))

    assert answer.path == "line_items.0.price"


@pytest.mark.parametrize("quantity", [-1, 1.5, "3", True, None, 10**30])
def test_a_quantity_that_is_no_count_is_unreadable(quantity: Any) -> None:
    assert fault(line(quantity=quantity)).path == "line_items.0.quantity"


@pytest.mark.parametrize("properties", [[], {}, None, {"engraving": "A"}, [{"name": "engraving", "value": "A"}], "junk"])
def test_properties_of_any_shape_do_not_matter(properties: Any) -> None:
    assert order(line(properties=properties)).lines[0].sku == "TOP-1"


def test_a_line_without_sku_is_named_by_its_variant_or_itself() -> None:
    assert order(line(sku=None)).lines[0].sku == "variant-501"
    assert order(line(sku=" ", variant_id=None)).lines[0].sku == "line-11"


def test_without_allocations_the_line_discount_counts() -> None:
    assert order(line(discount_allocations=[], total_discount="1.25")).lines[0].discount == Decimal("1.25")


def test_a_line_partly_taken_off_carries_its_share_of_discount_and_tax() -> None:
    found = order(line(current_quantity=2)).lines[0]

    assert (found.quantity, found.discount, found.tax) == (2, Decimal("2.38"), Decimal("3.42"))


def test_a_line_taken_off_is_owed_no_more() -> None:
    found = order(line(current_quantity=0) | {"current_total_price": "31.76", "current_total_tax": "0.76"})

    assert [item.key for item in found.lines] == ["12"]
    assert (found.total, found.total_tax) == (Decimal("31.76"), Decimal("0.76"))
    assert owed(found) == found.total


def test_an_order_with_nothing_left_is_cancelled_and_tells_what_it_was() -> None:
    body = payload(current_total_price="0.00", current_total_tax="0.00")
    for item in body["line_items"]:
        item["current_quantity"] = 0

    found = order(body, "orders/updated")

    assert found.status == "cancelled"
    assert [item.quantity for item in found.lines] == [3, 1]
    assert found.total == Decimal("63.89")


def test_an_older_api_without_current_quantities_is_owed_in_full() -> None:
    body = payload(current_total_price="1.00")
    for item in body["line_items"]:
        del item["current_quantity"]

    assert order(body).total == Decimal("63.89")


def test_a_cancellation_is_told_by_its_time_or_its_topic() -> None:
    assert order(payload(cancelled_at="2026-06-30T22:30:00-04:00"), "orders/updated").status == "cancelled"
    assert order(payload(), "orders/cancelled").status == "cancelled"


@pytest.mark.parametrize(
    ("told", "is_"),
    [
        ("inventory", "stock"),
        ("customer", "customer"),
        ("declined", "payment"),
        ("fraud", "fraud"),
        ("staff", "other"),
        (None, None),
    ],
)
def test_a_cancellation_says_why_in_our_words(told: str, is_: str | None) -> None:
    assert order(payload(cancel_reason=told), "orders/cancelled").cancel_reason == is_
    assert order(payload(cancel_reason=told)).cancel_reason is None


def test_a_test_order_does_not_pass_for_a_sale() -> None:
    assert order(payload(test=True)).test
    assert not order(payload()).test


def test_a_tip_that_is_a_line_is_a_charge_and_counted_once() -> None:
    tip = {"id": 13, "title": "Tip", "quantity": 1, "price": "2.00", "tip_payment_gateway": "shopify_payments"}
    body = payload()
    body["line_items"].append(tip)

    found = order(body)

    assert [item.key for item in found.lines] == ["11", "12"]
    assert [c.price for c in found.charges if c.code == "tip"] == [Decimal("2.00")]


def test_duties_and_their_taxes_are_a_charge() -> None:
    duties = [{"shop_money": {"amount": "4.00", "currency_code": "EUR"}, "tax_lines": [{"title": "VAT", "price": "0.40"}]}]

    found = order(line(duties=duties))

    assert [(c.price, c.tax) for c in found.charges if c.code == "duties"] == [(Decimal("4.00"), Decimal("0.40"))]


def test_a_removed_shipping_line_is_no_charge() -> None:
    body = payload()
    body["shipping_lines"][0]["is_removed"] = True

    found = order(body)

    assert [c.code for c in found.charges] == ["tip"]
    assert found.shipping_method is None


def test_redacted_customer_data_leaves_a_guest() -> None:
    found = order(payload(customer=None, email=None, billing_address=None, shipping_address=None))

    assert (found.customer.key, found.customer.name, found.customer.email, found.shipping) == (None, None, None, None)


def test_a_pos_order_names_its_location() -> None:
    found = order(payload(source_name="pos", location_id=655441491, shipping_lines=[], shipping_address=None))

    assert (found.location, found.sales_channel, found.shipping_method) == ("655441491", "pos", None)


def test_without_updated_at_the_state_is_as_old_as_the_trigger_then_the_arrival() -> None:
    body = payload(updated_at=None)

    triggered = order(body, x_shopify_triggered_at="2026-07-01T02:00:03.123456789Z").as_of
    assert triggered.replace(microsecond=0) == datetime(2026, 7, 1, 2, 0, 3, tzinfo=UTC)
    assert order(body).as_of == NOW
    assert order(body, x_shopify_triggered_at="soon").as_of == NOW


@pytest.mark.parametrize("currency", ["XXX", "eur", "", None, 978])
def test_an_unknown_currency_is_unreadable(currency: Any) -> None:
    assert fault(payload(currency=currency)).path == "currency"


def test_no_lines_are_unreadable() -> None:
    assert fault(payload(line_items=[])).path == "order.lines"
    assert fault(payload(line_items=None)).path == "line_items"


def test_too_many_lines_are_unreadable_not_cut() -> None:
    lines = [{"id": n, "sku": "A", "quantity": 1, "price": "1.00"} for n in range(5_000)]

    answer = fault(payload(line_items=lines))

    assert (answer.code, answer.path) == ("field.too-long", "line_items")


def test_two_lines_of_one_id_are_unreadable() -> None:
    body = payload()
    body["line_items"][1]["id"] = 11

    assert "share one key" in fault(body).reason


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_nul_and_lone_surrogates_in_what_is_read_are_unreadable(text: str) -> None:
    assert fault(line(sku=text)).path == "line_items.0.sku"
    assert fault(payload(name=text)).path == "name"


def fixtures() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted((SHARED / "shopify").glob("*.json")):
        document = json.loads(path.read_text())
        if not isinstance(document, dict):
            continue
        several = [document.get("order"), *(document.get("orders") or [])]
        found += [(path.name, o) for o in several if isinstance(o, dict) and "line_items" in o and "total_price" in o]
    return found


def test_every_recorded_order_is_read_and_adds_up() -> None:
    for name, body in fixtures():
        found = order(body)
        assert found.total == owed(found), name
        assert found.total_tax == taxes(found), name
        assert found.key == str(body["id"]), name


def test_the_recorded_orders_are_there_if_the_shared_folder_is() -> None:
    if SHARED.exists():
        assert len(fixtures()) >= 15
