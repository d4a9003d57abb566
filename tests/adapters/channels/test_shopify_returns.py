"""How Shopify's refunds are read."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.channels.base import Parsed, Unreadable
from canonical.returns import Return
from tests.adapters.channels.requests import OWN, SHARED, parse


def payload(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OWN / "shopify_refund.json").read_text())
    return found | changes


def refund(body: dict[str, Any]) -> Return:
    answer = parse("shopify", body, "refunds/create")
    assert isinstance(answer, Parsed), answer
    (document,) = answer.documents
    assert isinstance(document, Return)
    return document


def test_a_refund_is_a_return_with_goods_shipping_and_total() -> None:
    found = refund(payload())

    assert (found.key, found.order_key, found.currency) == ("4001", "820982911946154508", "EUR")
    assert found.as_of == datetime(2026, 7, 9, 8, 0, tzinfo=UTC)
    assert [(i.order_line, i.sku, i.quantity, i.net, i.tax, i.restock, i.location) for i in found.lines] == [
        ("11", "TOP-1", 1, Decimal("10.71"), Decimal("1.71"), True, "41")
    ]
    assert (found.shipping_refund, found.adjustment, found.total) == (Decimal("4.76"), Decimal(0), Decimal("17.18"))


def test_json_numbers_beside_sets_are_read_exactly() -> None:
    body = payload()
    body["refund_line_items"][0] |= {"subtotal": 0.1, "subtotal_set": None}

    assert refund(body).lines[0].net == Decimal("0.1")


def test_without_subtotals_the_share_of_the_sold_line_counts() -> None:
    body = payload()
    body["refund_line_items"][0] |= {"subtotal": None, "subtotal_set": None, "total_tax": None, "total_tax_set": None}

    assert (refund(body).lines[0].net, refund(body).lines[0].tax) == (Decimal("10.71"), Decimal("1.71"))


def test_shipping_told_only_as_refund_shipping_lines_counts() -> None:
    lines = [{"id": 1, "subtotal_amount_set": {"shop_money": {"amount": "4.76", "currency_code": "EUR"}}}]

    assert refund(payload(order_adjustments=[], refund_shipping_lines=lines)).shipping_refund == Decimal("4.76")


def test_what_was_paid_beyond_the_goods_is_the_adjustment() -> None:
    extra = [{"kind": "refund_discrepancy", "amount": "-3.00", "tax_amount": "0.00"}]

    found = refund(payload(order_adjustments=extra, transactions=[]))

    assert (found.adjustment, found.total) == (Decimal("3.00"), Decimal("15.42"))


def test_what_was_kept_back_shows_in_the_total_only() -> None:
    kept = [{"kind": "refund_discrepancy", "amount": "2.00", "tax_amount": "0.00"}]
    paid = [{"kind": "refund", "status": "success", "amount": "10.42", "currency": "EUR"}]

    found = refund(payload(order_adjustments=kept, transactions=paid))

    assert (found.adjustment, found.total) == (Decimal(0), Decimal("10.42"))


def test_failed_payments_and_payments_of_another_currency_do_not_tell_the_total() -> None:
    failed = {"kind": "refund", "status": "failure", "amount": "99.00", "currency": "EUR"}
    foreign = {"kind": "refund", "status": "success", "amount": "18.90", "currency": "USD"}

    assert refund(payload(transactions=[failed])).total == Decimal("17.18")
    assert refund(payload(transactions=[foreign])).total == Decimal("17.18")


@pytest.mark.parametrize(("restock_type", "restock"), [("return", True), ("cancel", True), ("no_restock", False)])
def test_each_line_tells_if_its_pieces_go_back_on_the_shelf(restock_type: str, *, restock: bool) -> None:
    body = payload()
    body["refund_line_items"][0]["restock_type"] = restock_type

    assert refund(body).lines[0].restock is restock


def test_a_refund_without_goods_is_goodwill() -> None:
    found = refund(payload(refund_line_items=[], order_adjustments=[]))

    assert (found.lines, found.total) == ((), Decimal("17.18"))


def test_a_refund_that_names_no_currency_is_unreadable() -> None:
    answer = parse("shopify", {"id": 1, "order_id": 2, "created_at": "2026-07-09T08:00:00Z"}, "refunds/create")

    assert isinstance(answer, Unreadable)
    assert "currency" in answer.reason


def test_every_recorded_refund_is_read() -> None:
    read = 0
    for path in [*sorted((SHARED / "shopify").glob("*refund_test_[1234]*.json")), SHARED / "shopify" / "pyapi_refund.json"]:
        document = json.loads(path.read_text()) if path.exists() else {}
        for body in [document.get("refund"), *(document.get("refunds") or [])]:
            if isinstance(body, dict):
                found = refund(body)
                assert len(found.lines) == len(body["refund_line_items"]), path.name
                assert found.total == sum(Decimal(t["amount"]) for t in body["transactions"]), path.name
                read += 1
    assert read == 5 or not SHARED.exists()
