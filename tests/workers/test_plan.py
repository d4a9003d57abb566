"""The plan that operators' rules make: pauses that end by the clock, ramps, limits, windows; from rows and the clock alone."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

import ledger.actions
import ledger.windows
from adapters.throttle.base import Ask, Denied, Granted
from adapters.throttle.local import LocalThrottle
from canonical.outcome import Unavailable
from config.limits import LimitTable
from ledger import controls
from ledger.windows import NewWindow
from tests.documents import an_order
from tests.tasks.world import TARGET, World, a_world
from workers import lane_actions
from workers.fetch.plan import FetchPlan, Gate
from workers.lane_actions import Operator
from workers.plan import LedgerPlan

LANE = f"deliver.{TARGET}"
ANN = Operator("ann", "because")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Desk:
    """A world, and what a worker that begins now would go by."""

    world: World

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def plan(self) -> FetchPlan:
        return LedgerPlan(self.world.ledger, self.world.context.fleet, self.world.clock.now).current()

    def gate(self) -> Gate:
        return self.plan().gates.get(LANE, Gate())

    def add(self, **more: object) -> int:
        told: dict[str, object] = {
            "lane": LANE,
            "starts_at": self.now,
            "weekdays": None,
            "local_time": None,
            "zone": None,
            "duration_s": 600.0,
            "announce_s": 0.0,
            "drain_s": 0.0,
            "canary": 2,
            "ramp_s": 100.0,
            "reason": "release",
            "created_by": "ann",
            "created_at": self.now,
        }
        with self.world.ledger.write() as session:
            return lane_actions.add_window(session, NewWindow(**told | more))  # type: ignore[arg-type]


@pytest.fixture
def desk(ledger_url: str) -> Iterator[Desk]:
    with a_world(ledger_url) as world:
        yield Desk(world)


def test_without_rules_the_fleet_file_is_in_force(desk: Desk) -> None:
    plan = desk.plan()

    limit = plan.limits[TARGET]
    assert (limit.rate_per_s, limit.burst, limit.concurrency) == (50.0, 10, 10)
    assert (plan.paused, dict(plan.gates), dict(plan.shares)) == (frozenset(), {}, {})
    assert plan.weights[LANE].high == 16


def test_a_pause_ends_by_the_clock_alone_and_its_ramp_follows(desk: Desk) -> None:
    until = desk.now + 10 * MINUTE
    with desk.world.ledger.write() as session:
        lane_actions.pause(session, LANE, ANN, desk.now, until, ramp_s=100.0)

    paused = desk.plan().paused
    desk.world.clock.move(600)
    begun = desk.gate().scale
    desk.world.clock.move(50)
    half = desk.gate().scale
    desk.world.clock.move(51)

    assert paused == {LANE}
    assert [begun, half] == pytest.approx([0.1, 0.55])
    assert (desk.gate(), desk.plan().paused) == (Gate(), frozenset[str]())


def test_a_resume_is_at_once_or_by_a_ramp_and_what_was_done_is_kept_with_who_and_why(desk: Desk) -> None:
    with desk.world.ledger.write() as session:
        lane_actions.pause(session, LANE, ANN, desk.now, None, 0.0)
        assert lane_actions.resume(session, LANE, Operator("bob", "mended"), desk.now, 20.0)
    ramping = desk.gate()
    desk.world.clock.move(21)

    with desk.world.ledger.read() as session:
        done = ledger.actions.listed(session, LANE, 10)
    assert ramping.scale == pytest.approx(0.1)
    assert (desk.gate(), desk.plan().paused) == (Gate(), frozenset[str]())
    assert [(one.by, one.action, one.reason) for one in done] == [
        ("bob", "lane.resume", "mended"),
        ("ann", "lane.pause", "because"),
    ]
    assert done[0].before["reason"] == "because"
    assert done[0].at == desk.now - timedelta(seconds=21)


def test_limit_shares_and_weights_that_operators_set_lie_over_the_fleet_file(desk: Desk) -> None:
    values: dict[str, dict[str, object]] = {
        "limit": {"rate_per_s": 20.0, "operations": {"order.create": {"rate_per_s": 5.0}}},
        "shares": {"orders": 60},
        "weights": {"high": 32, "strict": True, "aged_after_s": 60.0},
    }
    with desk.world.ledger.write() as session:
        lane_actions.set_values(session, LANE, ANN, desk.now, values)

    plan = desk.plan()

    limit = plan.limits[TARGET]
    assert (limit.rate_per_s, limit.concurrency, limit.operations["order.create"].rate_per_s) == (20.0, 10, 5.0)
    assert plan.shares == {LANE: {"orders": 60}}
    assert (plan.weights[LANE].high, plan.weights[LANE].low, plan.weights[LANE].strict) == (32, 1, True)
    assert plan.weights[LANE].aged_after_s == 60.0


def test_of_two_changes_made_of_the_same_look_the_second_is_refused(desk: Desk) -> None:
    together, refused = threading.Barrier(2), list[str]()

    def change(rate: float) -> None:
        together.wait(10)
        try:
            with desk.world.ledger.write() as session:
                values = {"limit": {"rate_per_s": rate}}
                lane_actions.set_values(session, LANE, ANN, desk.now, values, expected={"limit": {}})
        except lane_actions.LaneChangedError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=change, args=(rate,)) for rate in (3.0, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert refused == [f"{LANE} was changed since you looked"]
    assert desk.plan().limits[TARGET].rate_per_s in (3.0, 4.0)


def test_a_limit_that_no_longer_fits_leaves_the_fleet_files_in_force(desk: Desk) -> None:
    with desk.world.ledger.write() as session:
        controls.put(session, f"limit.{LANE}", {"rate_per_s": -1}, desk.now)

    assert desk.plan().limits[TARGET].rate_per_s == 50.0


def test_a_window_holds_spends_no_attempt_lets_a_canary_go_and_resumes_by_a_ramp(desk: Desk) -> None:
    number = desk.add()
    held = desk.gate()
    desk.world.clock.move(600)
    canary = desk.gate()
    desk.world.prepare(*desk.world.tell(an_order("1001"), an_order("1002")))
    desk.world.erp.script.append(Unavailable("still starting"))
    desk.world.work_letter(desk.world.tray.take() or pytest.fail("no letter"))
    after_failure = desk.gate()
    desk.world.work()
    desk.gate()
    opened = desk.gate()
    desk.world.clock.move(101)

    assert (held.closed_s, held.why) == (600.0, f"maintenance window {number} (held): release")
    assert (canary.closed_s, canary.most_at_once) == (0.0, 1)
    assert canary.scale == pytest.approx(0.1)
    assert (after_failure.most_at_once, opened.most_at_once) == (1, None)
    assert opened.scale == pytest.approx(0.1)
    assert desk.gate() == Gate()
    assert desk.world.rows("select accepted from window_runs") == [(2,)]


def test_a_canary_is_one_for_the_fleet_also_where_the_target_bounds_no_concurrency(desk: Desk) -> None:
    fleet = desk.world.context.fleet
    unbounded = fleet.targets[TARGET].model_copy(update={"limit": LimitTable(rate_per_s=40.0)})
    desk.world.context = replace(
        desk.world.context, fleet=fleet.model_copy(update={"targets": {**fleet.targets, TARGET: unbounded}})
    )
    desk.add()
    before = desk.plan().limits[TARGET]
    desk.world.clock.move(600)
    plan = desk.plan()
    shared = LocalThrottle(plan.limits[TARGET])
    ask = Ask(1, scale=plan.gates[LANE].scale)

    first, second = shared.acquire(ask), shared.acquire(ask)

    assert before.concurrency is None
    assert isinstance(first, Granted)
    assert isinstance(second, Denied)
    assert second.reason == "concurrency"
    # The rate is not throttled to nothing for it: a refused canary is tried again soon.
    assert plan.gates[LANE].scale == pytest.approx(0.1)


def test_what_was_accepted_before_the_canary_does_not_count_for_it(desk: Desk) -> None:
    desk.world.prepare(*desk.world.tell(an_order("1001"), an_order("1002"), an_order("1003")))
    desk.world.work()
    desk.add()
    desk.world.clock.move(601)

    for _ in range(3):
        gate = desk.gate()

    assert gate.most_at_once == 1
    assert desk.world.rows("select accepted from window_runs") == [(0,)]


def test_a_canary_let_go_early_opens_the_lane_inside_the_window(desk: Desk) -> None:
    starts_at = desk.now
    number = desk.add(canary=0)
    desk.world.clock.move(60)
    with desk.world.ledger.write() as session:
        lane_actions.let_canary(session, LANE, number, starts_at, ANN, desk.now)

    canary = desk.gate()
    desk.world.prepare(*desk.world.tell(an_order("1001")))
    desk.world.work()
    desk.gate()

    assert canary.most_at_once == 1
    assert (desk.gate().most_at_once, desk.gate().closed_s) == (None, 0.0)


def test_a_cancelled_window_and_a_skipped_occurrence_open_the_lane(desk: Desk) -> None:
    starts_at, first, second = desk.now, desk.add(), desk.add()

    with desk.world.ledger.write() as session:
        assert lane_actions.end_window(session, LANE, first, None, ANN, desk.now)
        assert not lane_actions.end_window(session, LANE, first, None, ANN, desk.now)
    still = desk.gate().closed_s
    with desk.world.ledger.write() as session:
        assert lane_actions.end_window(session, LANE, second, starts_at, ANN, desk.now)

    assert (still, desk.gate()) == (600.0, Gate())


def test_a_window_counts_however_long_nobody_looked(desk: Desk) -> None:
    desk.add(starts_at=desk.now + timedelta(hours=1), canary=0, ramp_s=100.0)

    desk.world.clock.move(3_600 + 599)
    held = desk.gate().closed_s
    desk.world.clock.move(51)

    assert held == 1.0
    assert desk.gate().scale == pytest.approx(0.55)
