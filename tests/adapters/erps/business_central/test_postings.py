"""What the Business Central adapter makes of postings, by the company's own log."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.erps.base import Undone
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Rejected, Throttled, Unavailable, Uncertain
from tests.adapters.erps.business_central.company import BusinessCentralBench as Bench
from tests.adapters.erps.netsuite.account import TOKEN

LOGIN: dict[str, str | float | bool] = {"auth": "oauth2", "tenant": "contoso", "client_id": "app"}


def unknown_item(order: Order) -> Order:
    lines = tuple(line.model_copy(update={"sku": "SKU-9"}) for line in order.lines)
    return order.model_copy(update={"lines": lines})


def with_gone_item(bench: Bench) -> Bench:
    """A reference to an item that the company does not have: only Business Central can tell."""
    items = {**bench.references.by_kind["item"], "SKU-9": "99999"}
    return replace(bench, references=replace(bench.references, by_kind={"item": items}))


def test_an_order_stands_with_the_total_that_the_customer_owes(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()

    assert isinstance(bench.post("order.create", order), Done)

    [entry] = bench.commits(order)
    assert entry.total is not None
    assert Decimal(entry.total) == order.total
    assert entry.external_id == f"shopify-eu_{order.key}"


def test_an_order_whose_total_differs_is_parked_once_and_taken_after_correction(business_central_bench: Bench) -> None:
    bench = business_central_bench.with_options(tax_code="TAXABLE")
    order = bench.order()

    first = bench.post("order.create", order)
    again = bench.post("order.create", order)

    assert isinstance(first, Rejected)
    assert first.code == "business-central.total"
    assert again == first
    assert bench.effects(order) == 1


def test_a_batch_with_a_poisoned_order_makes_none_and_names_the_one_to_blame(business_central_bench: Bench) -> None:
    bench = with_gone_item(business_central_bench)
    orders = [bench.order(), unknown_item(bench.order()), bench.order()]

    outcomes = bench.post_batch(*orders)

    assert [type(outcome) for outcome in outcomes] == [Undone, Rejected, Undone]
    assert [bench.effects(order) for order in orders] == [0, 0, 0]
    assert [type(o) for o in bench.post_batch(orders[0], orders[2])] == [Done, Done]


def test_a_batch_of_a_hundred_orders_takes_two_requests(business_central_bench: Bench) -> None:
    bench = business_central_bench
    orders = [bench.order() for _ in range(100)]

    outcomes = bench.post_batch(*orders)

    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert bench.spent == 2
    assert bench.erp.calls("order.create") == 2


def test_a_batch_whose_answer_is_lost_leaves_every_order_in_doubt(business_central_bench: Bench) -> None:
    bench = business_central_bench
    orders = [bench.order(), bench.order()]
    bench.arm({"kind": "lost_answer", "operation": "batch.write", "next": 1})

    outcomes = bench.post_batch(*orders)

    assert all(isinstance(outcome, Uncertain) for outcome in outcomes)
    assert all(isinstance(bench.find("order.create", order), AlreadyDone) for order in orders)


def test_an_order_that_appears_after_a_gateway_timeout_is_found_and_not_made_again(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()
    bench.arm({"kind": "late_commit", "operation": "salesOrders.post", "wait_s": 0, "next": 1})

    assert isinstance(bench.post("order.create", order), Uncertain)
    while bench.effects(order) == 0:
        bench.find("order.create", order)

    assert isinstance(bench.find("order.create", order), AlreadyDone)
    assert isinstance(bench.post("order.create", order), AlreadyDone)
    assert bench.effects(order) == 1


def test_two_orders_under_one_key_are_told_and_none_is_touched(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()
    bench.arm({"kind": "double_commit", "operation": "salesOrders.post", "next": 1})
    bench.post("order.create", order)

    outcome = bench.post("order.update", bench.changed(order), 2)

    assert isinstance(outcome, Rejected)
    assert outcome.code == "business-central.twice"


def test_an_update_that_finds_the_order_as_told_writes_nothing(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()
    bench.post("order.create", order)

    assert isinstance(bench.post("order.update", order, 2), AlreadyDone)

    assert len(bench.commits(order)) == 1


def test_parts_leave_one_after_another_each_with_its_own_posted_shipment(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()
    bench.post("order.create", order)
    first = bench.shipment(order)
    rest = bench.shipment(order, lines=(first.lines[0].model_copy(update={"quantity": 1}),))

    one = bench.post("shipment.create", first)
    assert bench.find("shipment.create", rest) == Absent()
    two = bench.post("shipment.create", rest)

    assert isinstance(one, Done)
    assert isinstance(two, Done)
    assert one.remote_id != two.remote_id
    assert bench.find("shipment.create", first) == AlreadyDone(one.remote_id)
    assert bench.effects(first) == 2


def test_an_order_that_left_whole_is_found_and_its_unchanged_state_is_done(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()
    bench.post("order.create", order)
    shipment = bench.shipment(order)
    whole = shipment.model_copy(update={"lines": (shipment.lines[0].model_copy(update={"quantity": 3}), shipment.lines[1])})
    assert isinstance(bench.post("shipment.create", whole), Done)

    assert isinstance(bench.post("order.create", order), AlreadyDone)
    assert isinstance(bench.post("order.update", order, 2), AlreadyDone)
    more = order.lines[0].model_copy(update={"quantity": 4})
    grown = order.model_copy(update={"lines": (more, order.lines[1])})
    assert isinstance(bench.post("order.update", grown, 3), Rejected)
    assert isinstance(bench.post("order.cancel", bench.cancelled(order), 4), Rejected)
    assert len([e for e in bench.commits(order) if e.method == "POST" and e.path.endswith("salesOrders")]) == 1


def test_a_change_of_tracking_is_refused_with_a_remedy_unless_it_is_to_be_ignored(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()
    bench.post("order.create", order)
    shipment = bench.shipment(order)
    done = bench.post("shipment.create", shipment)
    assert isinstance(done, Done)

    assert bench.post("shipment.update", bench.tracked(shipment), 2) == AlreadyDone(done.remote_id)
    refused = bench.with_options(tracking="refuse").post("shipment.update", bench.tracked(shipment), 2)

    assert isinstance(refused, Rejected)
    assert refused.code == "business-central.tracking"
    assert refused.remedy


def test_a_credit_memo_that_is_still_a_draft_is_posted_and_not_made_again(business_central_bench: Bench) -> None:
    bench = business_central_bench
    order = bench.order()
    bench.post("order.create", order)
    shipment = bench.shipment(order)
    bench.post("shipment.create", shipment)
    told = bench.refund(order, shipment)
    bench.arm({"kind": "outage", "operation": "Microsoft.NAV.post.post", "next": 1})

    assert isinstance(bench.post("return.create", told), Unavailable)
    assert bench.find("return.create", told) == Absent()
    assert isinstance(bench.post("return.create", told), Done)

    entries = bench.commits(told)
    assert len({entry.internal_id for entry in entries}) == 1
    assert {Decimal(entry.total or 0) for entry in entries} == {told.total}


def test_a_company_over_its_limits_throttles_without_a_hint(business_central_bench: Bench) -> None:
    bench = business_central_bench
    bench.sandbox.control("PATCH", "limits", {"window_calls": 1, "window_s": 300})

    bench.find("order.create", bench.order())
    outcome = bench.post("order.create", bench.order())

    assert outcome == Throttled("salesOrders.find: 429 Application_TooManyRequests", None)


def test_requests_beyond_the_places_wait_in_the_queue_and_beyond_it_are_refused(business_central_bench: Bench) -> None:
    bench = business_central_bench
    bench.sandbox.control("PATCH", "limits", {"concurrency": 1, "queue": 2, "service_time_ms": 300})
    # Each with a limiter of its own: one that has been refused would not let the others ask.
    askers = [replace(bench) for _ in range(6)]
    try:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda asker: asker.find("order.create", asker.order()), askers))
        stats = bench.sandbox.control("GET", "stats")
    finally:
        bench.sandbox.control("PATCH", "limits", {"service_time_ms": 0})

    assert found.count(Absent()) >= 3
    assert any(isinstance(finding, Throttled) for finding in found)
    assert stats["concurrent_now"] == 0


def test_a_token_is_fetched_once_renewed_when_it_is_refused_and_never_told(business_central_bench: Bench) -> None:
    bench = business_central_bench
    ours = replace(bench.with_options(**LOGIN, authority=bench.sandbox.url), secret="client-secret")
    issued = issues(bench)

    assert isinstance(ours.post("order.create", ours.order()), Done)
    assert isinstance(ours.post("order.create", ours.order()), Done)
    assert issues(bench) == issued + 1
    assert ours.spent == 2
    bench.sandbox.control("POST", "tokens/revoke")
    assert isinstance(ours.post("order.create", ours.order()), Done)
    assert issues(bench) == issued + 2
    assert "client-secret" not in repr(ours.erp) + repr(ours.account)


def test_a_wrong_secret_rests_the_lane_and_is_no_business_exception(business_central_bench: Bench) -> None:
    bench = business_central_bench
    ours = replace(bench.with_options(**LOGIN, authority=bench.sandbox.url), secret="wrong")

    outcome = ours.post("order.create", ours.order())

    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s
    assert ours.spent == 0


def issues(bench: Bench) -> int:
    counts: dict[str, int] = bench.sandbox.control("GET", "stats")["by_operation"]
    return counts.get("token.issue", 0)


@pytest.mark.parametrize("field", ["memo", "status", "number"])
def test_the_sandbox_refuses_a_field_that_the_schema_does_not_let_be_written(business_central_bench: Bench, field: str) -> None:
    bench = business_central_bench
    body = json.dumps({"customerNumber": "10000", field: "x"}).encode()
    headers = (("authorization", f"Bearer {TOKEN}"), ("content-type", "application/json"))
    with bench.caller() as caller:
        found = caller.send(
            "POST", f"/companies({bench.options['company']})/salesOrders", operation="raw", headers=headers, body=body
        )

    assert getattr(found, "status", None) == 400
