"""The plan of a drain time: what limits allow at the soonest, the workers it takes, and that a rehearsal of it comes out so."""

import math

import pytest

from adapters.throttle.base import Budget, Limit, Points, Window
from tests.workers.rehearsing import a_fleet, a_scene, every, predicted
from workers.lanes import LaneView
from workers.plan import LaneState
from workers.rehearse.scaling import Work, need_of, workers_for
from workers.rehearse.service import Service, Spread, TargetService
from workers.scaling import CALLS_A_ROW, ROUND_S, UNKNOWN_CALL_S, lane_signal
from workers.waiting import Waiting

LANE = "deliver.erp"


def work(rows: int, *, call_s: float = 0.2, cpu_s: float = 0.0, inflow_per_s: float = 0.0, calls: int = 1) -> Work:
    return Work(LANE, rows, {"order.create": rows * calls}, call_s * calls, call_s, cpu_s, inflow_per_s)


@pytest.mark.parametrize(
    ("limit", "soonest_s", "bound"),
    [
        (Limit(rate_per_s=10, burst=20), 98.0, "rate"),
        (Limit(concurrency=4), 49.8, "concurrency"),
        (Limit(windows=(Window(100, 60.0),)), 540.0, "window"),
        (Limit(budgets=(Budget(500),)), 86_400.0, "budget"),
        (Limit(points=Points(100, 5.0, 1)), 180.0, "points"),
        (Limit(operations={"order.create": Limit(rate_per_s=2)}), 499.5, "rate of order.create"),
        (Limit(operations={"order.cancel": Limit(rate_per_s=2)}), 0.0, ""),
        (Limit(rate_per_s=10, burst=20, windows=(Window(100, 60.0),)), 540.0, "window"),
    ],
)
def test_the_soonest_is_what_the_slowest_limit_allows(limit: Limit, soonest_s: float, bound: str) -> None:
    need = need_of(work(1000), limit, within_s=60.0)

    assert need.soonest_s == pytest.approx(soonest_s)
    assert need.bound == bound
    assert need.possible == (soonest_s <= 60)
    assert need.drain_s == max(60.0, need.soonest_s)


def test_what_keeps_coming_takes_its_part_of_the_limit_and_may_take_all_of_it() -> None:
    limit = Limit(rate_per_s=10, burst=1)

    some, all_of_it = (need_of(work(1001, inflow_per_s=inflow), limit, 60.0) for inflow in (5.0, 10.0))

    assert some.soonest_s == pytest.approx(200.0)
    assert math.isinf(all_of_it.soonest_s)
    assert (all_of_it.possible, all_of_it.bound) == (False, "rate")


def test_where_it_is_never_through_the_plan_is_for_what_the_limit_lets_through() -> None:
    limit = Limit(rate_per_s=10, operations={"order.create": Limit(rate_per_s=6)})

    need = need_of(work(1000, call_s=0.5, cpu_s=0.01, inflow_per_s=20.0, calls=2), limit, 60.0)

    assert math.isinf(need.soonest_s)
    assert need.demand.per_s == pytest.approx(3.0)  # Two requests a row, six a second.
    assert need.slots == 3
    assert need.cpu == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("limit", "within_s", "bound"),
    [
        (Limit(), 900.0, "load"),
        (Limit(rate_per_s=50), 900.0, "load"),
        (Limit(rate_per_s=10), 900.0, "rate"),
        (Limit(concurrency=20), 900.0, "load"),
        (Limit(rate_per_s=50, windows=(Window(600, 60.0),)), 900.0, "limit"),
        (Limit(budgets=(Budget(10_000),)), 900.0, "limit"),
        (Limit(budgets=(Budget(20_000),)), 900.0, "load"),
        (Limit(points=Points(1_000, 5.0, 1)), 900.0, "limit"),
    ],
)
def test_the_plan_and_the_signal_for_autoscalers_say_the_same(limit: Limit, within_s: float, bound: str) -> None:
    rows, row_s = 9_000, CALLS_A_ROW * UNKNOWN_CALL_S + ROUND_S
    calls = {"": int(rows * CALLS_A_ROW)}

    signal = lane_signal(a_view(rows, limit), within_s).demand
    plan = need_of(Work(LANE, rows, calls, row_s, UNKNOWN_CALL_S), limit, within_s)

    assert signal.bound == bound
    assert plan.possible == (bound == "load")
    assert signal.slots == plan.slots
    assert signal.drain_s == pytest.approx(plan.drain_s, rel=0.01)


def test_where_permits_are_short_the_signal_asks_for_no_slot_beyond_them() -> None:
    # The plan keeps the permits busy while rows are claimed and settled: that takes a little more than one slot each.
    rows, row_s = 9_000, CALLS_A_ROW * UNKNOWN_CALL_S + ROUND_S
    calls = {"": int(rows * CALLS_A_ROW)}

    signal = lane_signal(a_view(rows, Limit(concurrency=20)), 60.0).demand
    plan = need_of(Work(LANE, rows, calls, row_s, UNKNOWN_CALL_S), Limit(concurrency=20), 60.0)

    assert (signal.slots, signal.bound, plan.slots, plan.bound) == (20, "concurrency", 21, "concurrency")
    assert signal.drain_s == pytest.approx(plan.drain_s, rel=0.05)


def a_view(rows: int, limit: Limit) -> LaneView:
    """A lane whose limiter has told nothing yet."""
    waiting = (Waiting("orders", "normal", rows, more=False, oldest_s=60.0),)
    return LaneView(LANE, "erp", limit, None, waiting, LaneState("open", "", 1.0), None)


def test_slots_follow_the_pace_and_workers_follow_slots_and_computing() -> None:
    need = need_of(work(3600, call_s=0.5, cpu_s=0.004, calls=2), None, within_s=60.0)
    small = need_of(work(0), None, within_s=60.0)

    assert need.slots == 60
    assert need.cpu == pytest.approx(0.24)
    assert workers_for([need], 16, threads=True) == 4
    assert workers_for([need, need], 16, threads=True) == 8
    assert workers_for([need_of(work(60_000, call_s=0.001, cpu_s=0.003), None, 60.0)], 100, threads=True) == 4
    assert (small.slots, small.soonest_s, workers_for([small], 16, threads=True)) == (0, 0.0, 1)


def test_a_rehearsal_with_the_planned_workers_drains_in_time_and_with_half_of_them_does_not() -> None:
    rows, within_s = 1_500, 60.0
    times = TargetService(call_ms=Spread(median=500), part_ms=Spread(median=2), cpu_ms=1)
    need = need_of(Work(LANE, rows, {"order.create": rows}, 0.503, 0.5, 0.001), None, within_s)
    workers = workers_for([need], 4, threads=True)

    drained = {}
    for count in (workers, workers // 2):
        fleet = a_fleet(
            pools={
                "prepare": {"kind": "prefork", "families": ["orders", "shipments", "returns"], "concurrency": 16},
                "deliver": {"kind": "threads", "families": [LANE], "concurrency": 4},
            }
        )
        scene = a_scene(fleet, service=Service(targets={"erp": times}), workers={"prepare": 4, "deliver": count})
        drained[count] = predicted(scene, every(0.0001, rows)).drained_s or math.inf

    assert workers == 4
    assert drained[workers] < 1.1 * within_s
    assert drained[workers // 2] > 1.4 * within_s


def test_a_rehearsal_is_through_at_the_soonest_that_the_plan_says() -> None:
    limit = {"rate_per_s": 25, "burst": 10, "learn": {"on": False}}
    need = need_of(work(1_000, call_s=0.02), Limit(rate_per_s=25, burst=10), 10.0)

    told = predicted(a_scene(a_fleet(target={"limit": limit})), every(0.0001, 1_000))

    assert not need.possible
    assert told.drained_s == pytest.approx(need.soonest_s, rel=0.1)
