"""What each posting leaves in NetSuite: amounts to the cent, the right lines, chains that go on where they stopped."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.erps.base import References
from adapters.erps.netsuite.amounts import Sums, sums_of
from adapters.erps.netsuite.options import NetSuiteOptions
from canonical.order import Charge, Order, OrderLine, Tax
from canonical.outcome import AlreadyDone, Done, Rejected, Uncertain
from canonical.returns import Return, ReturnLine
from canonical.shipment import Shipment, ShipmentLine
from tests.adapters.erps.netsuite.account import NOW, OPTIONS, NetSuiteBench
from workers.sandbox.journal import Entry

CENTS = st.decimals(0, 5000, places=2)


def posted(bench: NetSuiteBench, order: Order) -> Entry:
    outcome = bench.post("order.create", order)
    assert isinstance(outcome, Done), outcome
    return bench.commits(order)[-1]


def shipped(bench: NetSuiteBench) -> tuple[Order, Shipment]:
    order = bench.order()
    posted(bench, order)
    shipment = bench.shipment(order)
    assert isinstance(bench.post("shipment.create", shipment, order=order), Done)
    return order, shipment


def chain(bench: NetSuiteBench, told: Return) -> dict[str | None, Entry]:
    return {entry.record: entry for entry in bench.commits(told)}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"charges": (), "total_tax": Decimal("2.77"), "total": Decimal("37.44")},
        {"charges": (Charge(code="tip", price=Decimal("2.00")),), "total_tax": Decimal("2.77"), "total": Decimal("39.44")},
        {"prices_include_tax": True, "total": Decimal("39.66")},
        {"total": Decimal("42.84")},
        {"total_tax": Decimal("4.17"), "total": Decimal("43.83")},
    ],
    ids=["shipping", "no charge", "tip as a line", "tax included", "a cent of rounding", "tax told for the whole order"],
)
def test_the_total_in_the_erp_is_the_orders(netsuite_bench: NetSuiteBench, more: dict[str, Any]) -> None:
    order = netsuite_bench.order(**more)

    entry = posted(netsuite_bench, order)

    assert Decimal(entry.total or 0) == order.total
    assert (entry.version, entry.reference, entry.currency) == ("1", order.number, "USD")


def test_parts_that_do_not_add_up_are_refused_before_anything_is_sent(netsuite_bench: NetSuiteBench) -> None:
    order = netsuite_bench.order(total=Decimal("50.00"))

    outcome = netsuite_bench.post("order.create", order)

    assert isinstance(outcome, Rejected)
    assert outcome.code == "netsuite.total"
    assert netsuite_bench.spent == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), CENTS, st.decimals(0, 1, places=2), CENTS), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([Decimal("-0.01"), Decimal(0), Decimal("0.01")]),
)
def test_the_amounts_add_up_to_the_cent_for_any_order(
    lines: list[tuple[int, Decimal, Decimal, Decimal]], included: bool, off: Decimal
) -> None:
    told = tuple(
        OrderLine(
            key=f"L{n}",
            sku="SKU-1",
            quantity=quantity,
            unit_price=price,
            discount=(price * quantity * share).quantize(Decimal("0.01")),
            taxes=(Tax(title="T", amount=min(tax, price)),) if tax else (),
        )
        for n, (quantity, price, share, tax) in enumerate(lines)
    )
    tax = sum((line.tax for line in told), Decimal(0))
    total = sum((line.net for line in told), Decimal(0)) + (Decimal(0) if included else tax) + off
    order = Order(
        source="s", key="1", as_of=NOW, number="1", placed_at=NOW, currency="USD", prices_include_tax=included,
        lines=told, total_tax=tax, total=max(total, Decimal(0)),
    )  # fmt: skip

    sums = sums_of(order, References({"item": {"SKU-1": "501"}}), NetSuiteOptions(adjustment_item="96"))

    assert isinstance(sums, Sums)
    assert sums.total == order.total
    assert all(row.amount == row.amount.quantize(Decimal("0.01")) for row in sums.rows)


def test_an_order_without_a_known_customer_is_refused_with_a_remedy(netsuite_bench: NetSuiteBench) -> None:
    strict = netsuite_bench.with_options(guest_customer="")

    outcome = strict.post("order.create", strict.order())

    assert isinstance(outcome, Rejected)
    assert "guest_customer" in outcome.remedy


def test_an_item_the_erp_does_not_have_is_refused_by_the_path_of_its_line(netsuite_bench: NetSuiteBench) -> None:
    netsuite_bench.references = References({"item": {"SKU-1": "501", "SKU-2": "999999"}})

    outcome = netsuite_bench.post("order.create", netsuite_bench.order())

    assert isinstance(outcome, Rejected)
    assert "item.items[1].item" in outcome.reason
    assert "999999" not in repr(outcome)


def test_a_field_the_account_does_not_know_posts_nothing(netsuite_bench: NetSuiteBench) -> None:
    # The sandbox knows every custom field, so a plain misspelt one stands for a missing field.
    order = netsuite_bench.order()
    with netsuite_bench.caller() as caller:
        answer = caller.send(
            "PUT",
            "/record/v1/salesOrder/eid:misspelt",
            operation="salesOrder.upsert",
            headers=(("authorization", f"Bearer {netsuite_bench.secret}"), ("x-netsuite-propertynamevalidation", "error")),
            body=b'{"entity": {"id": "110"}, "memmo": "x", "item": {"items": [{"item": {"id": "501"}, "quantity": 1}]}}',
        )

    assert getattr(answer, "status", None) == 400
    assert netsuite_bench.effects(order) == 0


def test_an_update_keeps_the_numbers_of_the_lines_it_changes(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, _ = shipped(bench)
    more = bench.changed(order)

    outcome = bench.post("order.update", more, 2)

    assert isinstance(outcome, Done), outcome
    last = bench.commits(order)[-1]
    assert (last.version, last.total, last.quantity) == ("2", str(more.total), "3")


def test_pieces_given_back_after_shipping_stay_on_the_order_and_the_return_credits_them(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, _ = shipped(bench)
    fewer = bench.changed(order)
    less = fewer.model_copy(update={"lines": (fewer.lines[0].model_copy(update={"quantity": 1}), fewer.lines[1])})
    besides = less.model_copy(update={"lines": (less.lines[0], less.lines[1].model_copy(update={"quantity": 9}))})

    refused = bench.post("order.update", besides, 2)
    outcome = bench.post("order.update", less, 2)
    again = bench.post("order.update", less, 2)

    assert isinstance(refused, Rejected)
    assert isinstance(outcome, Done)
    assert again == AlreadyDone(outcome.remote_id)
    assert [(entry.version, entry.total) for entry in bench.commits(order)] == [("1", "42.83"), ("2", "42.83")]


def test_an_order_cancelled_after_all_of_it_left_keeps_its_lines(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order = bench.order()
    posted(bench, order)
    pieces = tuple(ShipmentLine(order_line=line.key, sku=line.sku, quantity=line.quantity) for line in order.lines)
    assert isinstance(bench.post("shipment.create", bench.shipment(order, lines=pieces), order=order), Done)

    outcome = bench.post("order.cancel", bench.cancelled(order), 2)
    again = bench.post("order.cancel", bench.cancelled(order), 2)

    assert isinstance(outcome, Done)
    assert isinstance(again, AlreadyDone)
    assert bench.commits(order)[-1].quantity == "4"


def test_a_cancelled_shipment_that_nobody_can_find_is_as_good_as_called_back(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order = bench.order()
    posted(bench, order)
    shipment = bench.shipment(order)

    called_back = bench.post("shipment.update", shipment.model_copy(update={"status": "cancelled"}), 2, order=order)
    tracked = bench.post("shipment.update", bench.tracked(shipment), 2, order=order)

    assert isinstance(called_back, AlreadyDone)
    assert isinstance(tracked, Rejected)


def test_the_orders_own_id_in_the_erp_is_used_where_it_is_known(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order = bench.order()
    entry = posted(bench, order)
    posting = replace(bench.posting("shipment.create", bench.shipment(order), order=order), order_remote_id=entry.internal_id)

    with bench.caller() as caller:
        outcome = bench.erp.post(posting, caller)

    assert isinstance(outcome, Done)
    assert bench.log()[-2].path.endswith(f"/salesOrder/{entry.internal_id}")


def test_an_update_of_an_order_that_never_came_inserts_it(netsuite_bench: NetSuiteBench) -> None:
    order = netsuite_bench.order()

    outcome = netsuite_bench.post("order.update", order, 3)

    assert isinstance(outcome, Done)
    assert [entry.version for entry in netsuite_bench.commits(order)] == ["3"]


def test_an_older_version_never_replaces_a_newer_one(netsuite_bench: NetSuiteBench) -> None:
    order = netsuite_bench.order()
    posted(netsuite_bench, order)
    netsuite_bench.post("order.update", netsuite_bench.changed(order), 3)

    late = netsuite_bench.post("order.update", order, 2)

    assert isinstance(late, AlreadyDone)
    assert [entry.version for entry in netsuite_bench.commits(order)] == ["1", "3"]


def test_a_cancelled_order_has_nothing_open_and_what_was_shipped_stays(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    whole, (order, _) = bench.order(), shipped(bench)
    posted(bench, whole)

    of_whole = bench.post("order.cancel", bench.cancelled(whole), 2)
    of_part = bench.post("order.cancel", bench.cancelled(order), 2)

    assert isinstance(of_whole, Done)
    assert isinstance(of_part, Done)
    assert bench.commits(whole)[-1].quantity == "0"
    assert bench.commits(order)[-1].quantity == "1"


def test_an_unapproved_order_is_cancelled_whole(netsuite_bench: NetSuiteBench) -> None:
    waiting = netsuite_bench.with_options(order_status="A")
    order = waiting.order()
    waiting.post("order.create", order)

    outcome = waiting.post("order.cancel", waiting.cancelled(order), 2)
    again = waiting.post("order.cancel", waiting.cancelled(order), 2)

    assert isinstance(outcome, Done)
    assert isinstance(again, AlreadyDone)


def test_a_shipment_takes_exactly_its_pieces_and_a_second_one_the_rest(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, first = shipped(bench)
    rest = bench.shipment(order, lines=(ShipmentLine(order_line="L1", sku="SKU-1", quantity=1),))

    outcome = bench.post("shipment.create", rest, order=order)
    again = bench.post("shipment.create", rest, order=order)

    assert isinstance(outcome, Done)
    assert again == AlreadyDone(outcome.remote_id)
    assert [bench.commits(first)[0].quantity, bench.commits(rest)[0].quantity] == ["3", "1"]


def test_more_than_the_order_has_left_is_refused(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, _ = shipped(bench)
    more = bench.shipment(order)

    outcome = bench.post("shipment.create", more, order=order)

    assert isinstance(outcome, Rejected)
    assert bench.effects(more) == 0


def test_a_shipment_that_left_is_not_called_back_and_its_lines_stand(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, shipment = shipped(bench)
    called_back = shipment.model_copy(update={"status": "cancelled"})
    otherwise = shipment.model_copy(update={"lines": shipment.lines[:1]})

    refused = bench.post("shipment.update", called_back, 2, order=order)
    different = bench.post("shipment.update", otherwise, 2, order=order)

    assert isinstance(refused, Rejected)
    assert isinstance(different, Rejected)
    assert [entry.version for entry in bench.commits(shipment)] == ["1"]


def test_a_return_is_authorized_received_and_credited_to_the_cent(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, shipment = shipped(bench)
    refund = bench.refund(order, shipment)

    outcome = bench.post("return.create", refund, order=order)

    made = chain(bench, refund)
    assert isinstance(outcome, Done)
    assert outcome.remote_id == made["creditMemo"].internal_id
    assert set(made) == {"returnAuthorization", "itemReceipt", "creditMemo"}
    assert Decimal(made["creditMemo"].total or 0) == refund.total
    assert made["itemReceipt"].quantity == "1"


def test_goods_that_are_not_restocked_are_credited_without_a_receipt(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, shipment = shipped(bench)
    kept = ReturnLine(order_line="L1", sku="SKU-1", quantity=1, restock=False, net=Decimal("9.89"), tax=Decimal("0.79"))
    refund = bench.refund(order, shipment, lines=(kept,))

    bench.post("return.create", refund, order=order)

    assert set(chain(bench, refund)) == {"returnAuthorization", "creditMemo"}


def test_of_two_lines_only_the_restocked_pieces_are_received(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, shipment = shipped(bench)
    lines = (
        ReturnLine(order_line="L1", sku="SKU-1", quantity=1, net=Decimal("9.89"), tax=Decimal("0.79")),
        ReturnLine(order_line="L1", sku="SKU-1", quantity=1, restock=False, net=Decimal("9.89"), tax=Decimal("0.79")),
        ReturnLine(order_line="L2", sku="SKU-2", quantity=1, restock=False, net=Decimal("5.00"), tax=Decimal("0.40")),
    )
    refund = bench.refund(order, shipment, lines=lines, shipping_refund=Decimal(0), total=Decimal("26.76"))

    outcome = bench.post("return.create", refund, order=order)

    made = chain(bench, refund)
    assert isinstance(outcome, Done), outcome
    assert (made["returnAuthorization"].quantity, made["itemReceipt"].quantity) == ("3", "1")
    assert Decimal(made["creditMemo"].total or 0) == refund.total


@pytest.mark.parametrize(
    "more",
    [
        {"lines": (), "shipping_refund": Decimal(0), "adjustment": Decimal("5.00"), "total": Decimal("5.00")},
        {"lines": (), "total": Decimal("2.00")},
        {},
        {"total": Decimal("10.00")},
    ],
    ids=["goodwill", "shipping only", "goods that never left", "a part kept back"],
)
def test_money_without_goods_that_came_back_is_one_credit_memo(netsuite_bench: NetSuiteBench, more: dict[str, Any]) -> None:
    bench = netsuite_bench
    order = bench.order()
    posted(bench, order)
    refund = bench.refund(order, bench.shipment(order), **more)

    outcome = bench.post("return.create", refund, order=order)
    bench.post("return.create", refund, order=order)

    assert isinstance(outcome, Done), outcome
    assert bench.spent == 2
    assert [entry.record for entry in bench.commits(refund)] == ["creditMemo"]
    assert Decimal(bench.commits(refund)[0].total or 0) == refund.total


def test_goods_of_which_a_part_never_left_are_taken_back_only_as_far_as_they_left(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order, shipment = shipped(bench)
    line = ReturnLine(order_line="L1", sku="SKU-1", quantity=3, net=Decimal("29.67"), tax=Decimal("2.37"))
    refund = bench.refund(order, shipment, lines=(line,), shipping_refund=Decimal(0), total=Decimal("32.04"))

    bench.post("return.create", refund, order=order)

    made = chain(bench, refund)
    assert made["returnAuthorization"].quantity == "2"
    assert Decimal(made["creditMemo"].total or 0) == refund.total


@pytest.mark.parametrize("step", ["returnAuthorization.transform", "itemReceipt.transform", "creditMemo.transform"])
@pytest.mark.parametrize("kind", ["error_500", "lost_answer"])
def test_a_chain_that_broke_goes_on_where_it_stopped(netsuite_bench: NetSuiteBench, step: str, kind: str) -> None:
    bench = netsuite_bench
    order, shipment = shipped(bench)
    refund = bench.refund(order, shipment)
    bench.arm({"kind": kind, "operation": step, "next": 1})

    broken = bench.post("return.create", refund, order=order)
    mended = bench.post("return.create", refund, order=order)

    assert isinstance(broken, Uncertain)
    assert isinstance(mended, Done | AlreadyDone)
    assert sorted(str(entry.record) for entry in bench.commits(refund)) == ["creditMemo", "itemReceipt", "returnAuthorization"]


def test_without_an_item_for_it_money_beside_goods_is_refused_before_anything_is_made(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench.with_options(adjustment_item="")
    order, shipment = shipped(bench)
    refund = bench.refund(order, shipment)

    outcome = bench.post("return.create", refund, order=order)

    assert isinstance(outcome, Rejected)
    assert bench.effects(refund) == 0
    assert OPTIONS["adjustment_item"] == "96"
