"""Every fault of the sandbox over real HTTP: what it is called, and one record in the end."""

import threading
import time
from typing import Any

import pytest

from canonical.outcome import Absent, AlreadyDone, Done, Outcome, Rejected, Throttled, Unavailable, Uncertain
from tests.adapters.erps.netsuite.account import NetSuiteBench
from tests.live import wait_until
from workers.sandbox.faults import KINDS

ON_A_WRITE: list[tuple[dict[str, Any], type[Outcome]]] = [
    ({"kind": "outage", "retry_after_s": 3}, Unavailable),
    ({"kind": "reset"}, Uncertain),
    ({"kind": "reset", "commits": True}, Uncertain),
    ({"kind": "lost_answer"}, Uncertain),
    ({"kind": "late_answer", "wait_s": 1.5}, Uncertain),
    ({"kind": "late_commit", "wait_s": 0.2}, Uncertain),
    ({"kind": "error_500"}, Uncertain),
    ({"kind": "error_500", "commits": True}, Uncertain),
    ({"kind": "html_200"}, Uncertain),
    ({"kind": "html_200", "commits": True}, Uncertain),
    ({"kind": "truncated"}, Uncertain),
    ({"kind": "empty_200"}, Uncertain),
    ({"kind": "unauthorized"}, Unavailable),
    ({"kind": "poison"}, Rejected),
    ({"kind": "slow_answer", "wait_s": 1.5}, Uncertain),
    ({"kind": "double_commit"}, Done),
    ({"kind": "late_job"}, Done),
]


def test_every_fault_the_sandbox_has_is_met_here() -> None:
    assert {fault["kind"] for fault, _ in ON_A_WRITE} == set(KINDS)


@pytest.mark.parametrize(("fault", "expected"), ON_A_WRITE)
def test_a_fault_on_a_write_is_named_and_the_next_attempt_leaves_one_record(
    netsuite_bench: NetSuiteBench, fault: dict[str, Any], expected: type[Outcome]
) -> None:
    bench, order = netsuite_bench, netsuite_bench.order()
    bench.arm({**fault, "operation": "salesOrder.upsert", "next": 1})

    outcome = bench.post("order.create", order)

    assert type(outcome) is expected, outcome
    if fault["kind"] == "late_commit":
        wait_until(lambda: bench.effects(order) == 1, 30, "the late commit")
    finding = bench.find("order.create", order)
    if isinstance(finding, Absent):
        assert isinstance(bench.post("order.create", order), Done)
    assert isinstance(bench.find("order.create", order), AlreadyDone)
    assert bench.effects(order) == (2 if fault["kind"] == "double_commit" else 1)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"poison", "double_commit", "late_commit", "late_job"}))
def test_a_fault_on_a_read_costs_nothing_but_time(netsuite_bench: NetSuiteBench, kind: str) -> None:
    bench, order = netsuite_bench, netsuite_bench.order()
    bench.post("order.create", order)
    # Twice, because a read on a kept connection that died in silence is sent once more.
    bench.arm({"kind": kind, "operation": "read", "next": 2, "wait_s": 1.5})

    outcome = bench.post("order.update", bench.changed(order), 2)

    assert isinstance(outcome, Unavailable), outcome
    bench.disarm()
    assert isinstance(bench.post("order.update", bench.changed(order), 2), Done)
    assert [entry.version for entry in bench.commits(order)] == ["1", "2"]


def test_an_answer_lost_after_the_commit_is_found_again_and_nothing_is_sent_twice(netsuite_bench: NetSuiteBench) -> None:
    bench, order = netsuite_bench, netsuite_bench.order()
    bench.arm({"kind": "lost_answer", "operation": "salesOrder.upsert", "next": 1})

    outcome = bench.post("order.create", order)
    finding = bench.find("order.create", order)

    assert isinstance(outcome, Uncertain)
    assert isinstance(finding, AlreadyDone)
    assert len(bench.commits(order)) == 1


def test_an_effect_may_appear_after_the_504_so_an_empty_look_up_at_once_proves_nothing(netsuite_bench: NetSuiteBench) -> None:
    bench, order = netsuite_bench, netsuite_bench.order()
    bench.arm({"kind": "late_commit", "operation": "salesOrder.upsert", "next": 1, "wait_s": 0.5})

    outcome = bench.post("order.create", order)
    at_once = bench.find("order.create", order)
    wait_until(lambda: bench.effects(order) == 1, bench.erp.max_execution_s, "the late commit")
    later = bench.find("order.create", order)

    assert isinstance(outcome, Uncertain)
    assert at_once == Absent()
    assert isinstance(later, AlreadyDone)
    assert len(bench.commits(order)) == 1


def test_a_late_commit_that_meets_its_own_repeat_leaves_one_fulfilment(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    order = bench.order()
    bench.post("order.create", order)
    shipment = bench.shipment(order)
    bench.arm({"kind": "late_commit", "operation": "itemFulfillment.transform", "next": 1, "wait_s": 0.3})

    first = bench.post("shipment.create", shipment, order=order)
    second = bench.post("shipment.create", shipment, order=order)
    late = wait_until(lambda: [entry for entry in bench.log() if entry.late and entry.operation == "itemFulfillment.transform"])

    assert isinstance(first, Uncertain)
    assert isinstance(second, Done)
    assert not late[-1].committed
    assert bench.effects(shipment) == 1


def test_over_the_rate_limit_the_wait_is_taken_over_and_no_request_repeated(netsuite_bench: NetSuiteBench) -> None:
    bench, order = netsuite_bench, netsuite_bench.order()
    bench.sandbox.control("PATCH", "limits", {"rate_per_s": 0.001, "burst": 1, "retry_after_s": 7})
    bench.find("order.create", order)

    outcome = bench.post("order.create", order)

    assert isinstance(outcome, Throttled)
    assert outcome.retry_after_s == 7
    assert bench.spent == 1


def test_over_the_concurrency_limit_the_surplus_is_throttled_and_every_order_there_once(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    bench.sandbox.control("PATCH", "limits", {"concurrency": 2, "service_time_ms": 150})
    orders = [bench.order() for _ in range(8)]
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda o=order: outcomes.append(bench.post("order.create", o))) for order in orders]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.sandbox.control("PATCH", "limits", {"concurrency": 100, "service_time_ms": 0})
    again = [bench.post("order.create", order) for order in orders]

    assert {type(outcome) for outcome in outcomes} == {Done, Throttled}
    assert {type(outcome) for outcome in again} == {Done}
    assert all(bench.effects(order) == 1 for order in orders)


def test_a_refused_bearer_token_rests_the_lane_and_is_not_tried_again(netsuite_bench: NetSuiteBench) -> None:
    bench = netsuite_bench
    bench.sandbox.control("PATCH", "limits", {"over_limit_as_401": True, "rate_per_s": 0.001, "burst": 1})
    order = bench.order()
    bench.find("order.create", order)

    outcome = bench.post("order.create", order)

    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 5
    assert bench.spent == 1
    assert bench.secret not in repr(outcome)


def test_a_target_that_is_not_there_is_unavailable(netsuite_bench: NetSuiteBench) -> None:
    nowhere = NetSuiteBench(type(netsuite_bench.sandbox)("http://127.0.0.1:9", netsuite_bench.sandbox.log_path))
    order = nowhere.order()

    began = time.monotonic()
    outcome, finding = nowhere.post("order.create", order), nowhere.find("order.create", order)

    assert isinstance(outcome, Unavailable)
    assert isinstance(finding, Unavailable)
    assert time.monotonic() - began < 20
