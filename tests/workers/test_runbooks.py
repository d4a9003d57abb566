"""Runs of runbooks on both databases: kept step by step, taken back backwards and only where nobody changed it since."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

import pytest

import ledger.actions
import ledger.runbooks
from ledger import controls
from ledger.runbooks import Run
from tests.documents import an_order
from tests.tasks.desk import ANNA, BACKUP, cases, groups, of_unknown_item, refused, with_backup
from tests.tasks.world import World, a_world
from tests.workers.command_line import AWAY, Ended, millrace
from workers import lane_actions
from workers.lanes import Lookout
from workers.runbooks import row_steps
from workers.runbooks.api_throttling import ApiThrottling
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words
from workers.runbooks.broker import BrokerLook
from workers.runbooks.lane_steps import Hold, SetLane
from workers.runbooks.order_recovery import OrderRecovery
from workers.runbooks.row_steps import Assign, Move, Redirect, Retry
from workers.runbooks.running import given_of, run, undo

LANE = "deliver.sandbox"


@dataclass(frozen=True, slots=True)
class Drill:
    """A runbook of the test's own."""

    name: ClassVar[str] = "order-recovery"
    title: ClassVar[str] = "A drill"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("lane", "a lane"), Parameter("rate", "a rate", "5"))
    steps: Sequence[Step] = ()
    holds: bool = True
    seen: list[bool] = field(default_factory=lambda: [True])

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        return [Check("there is trouble", self.holds, "none" if not self.holds else "much")]

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        return self.steps

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        return [Check("it helps", self.seen.pop(0) if len(self.seen) > 1 else self.seen[0], "so it is")]

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        return []


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world.context, Lookout(world.context.fleet, world.ledger), BrokerLook(AWAY), ANNA, ramp_s=0)


def told(_: str) -> None:
    return


def set_now(world: World) -> Mapping[str, Mapping[str, object]]:
    with world.ledger.read() as session:
        return {k: v for k, v in controls.read_all(session).items() if not k.startswith("peak")}


def kept(world: World, run_id: int) -> Run:
    with world.ledger.read() as session:
        found = ledger.runbooks.find(session, run_id)
    assert found is not None
    return found


def states(made: Run) -> list[str]:
    return [step["state"] for step in made.steps]


def test_a_run_is_done_step_by_step_kept_and_taken_back_backwards(world: World, desk: Desk) -> None:
    world.prepare(*world.tell(an_order("1")))
    steps: list[Step] = [Hold(LANE), SetLane(LANE, {"limit": {"rate_per_s": 3.0}}), Move({"lane": LANE}, "high", 1)]

    made = run(desk, Drill(steps), {"lane": LANE}, 5, told)
    during = set_now(world), world.rows("select class from deliveries")
    said: list[str] = []
    undone = undo(desk, made.id, said.append)

    assert (made.state, states(made), made.by, made.why) == ("done", ["done"] * 3, "anna", "a test")
    assert during[0][f"limit.{LANE}"] == {"rate_per_s": 3.0}
    assert str(during[0][f"paused.{LANE}"]["reason"]).endswith(f"run {made.id})")
    assert during[1] == [("high",)]
    assert (undone.state, states(undone), set_now(world)) == ("undone", ["undone"] * 3, {})
    assert world.rows("select class from deliveries") == [("normal",)]
    assert [words.split()[0] for words in said] == ["1", f"{LANE}:", LANE]
    with pytest.raises(RunbookRefusedError, match="undone already"):
        undo(desk, made.id, told)


def test_a_run_whose_precondition_does_not_hold_does_nothing_unless_told_so(world: World, desk: Desk) -> None:
    book = Drill([Hold(LANE)], holds=False)

    with pytest.raises(RunbookRefusedError, match="there is trouble: none"):
        run(desk, book, {}, 0, told)
    nothing = set_now(world)
    made = run(desk, book, {}, 0, told, anyway=True)

    with world.ledger.read() as session:
        [done] = ledger.actions.listed(session, f"runbook {made.id}", 5)
    assert (nothing, made.state) == ({}, "done")
    assert done.after["in_spite_of"] == ["there is trouble"]


def test_an_effect_that_is_not_seen_in_time_is_told_and_one_that_comes_later_is_waited_for(world: World, desk: Desk) -> None:
    blind = run(desk, Drill([Hold(LANE)], seen=[False]), {}, 0, told)
    late = run(desk, Drill([Hold(LANE)], seen=[False, True]), {}, 10, told)

    assert (blind.state, blind.checks[0]["ok"]) == ("unverified", False)
    assert (late.state, late.checks[0]["ok"]) == ("done", True)


def test_a_step_that_is_refused_ends_the_run_and_the_steps_before_it_can_be_taken_back(world: World, desk: Desk) -> None:
    with pytest.raises(RunbookRefusedError, match="step 2 was refused: d99: it is not parked"):
        run(desk, Drill([Hold(LANE), Retry(["d99"]), Hold("orders")]), {}, 0, told)
    failed = kept(world, 1)
    undone = undo(desk, 1, told)

    assert (failed.state, states(failed)) == ("failed", ["done", "left", "planned"])
    assert (states(undone), set_now(world)) == (["undone", "left", "planned"], {})


def test_what_somebody_changed_since_is_left(world: World, desk: Desk) -> None:
    steps: list[Step] = [Hold(LANE), SetLane(LANE, {"limit": {"rate_per_s": 3.0}, "weights": {"high": 9}})]
    made = run(desk, Drill(steps), {}, 0, told)
    who = lane_actions.Operator("bob", "mine")
    with world.ledger.write() as session:
        lane_actions.pause(session, LANE, who, world.clock.now(), None, 0)
        lane_actions.set_values(session, LANE, who, world.clock.now(), {"limit": {"rate_per_s": 7.0}})

    undone = undo(desk, made.id, told)

    assert set_now(world)[f"limit.{LANE}"] == {"rate_per_s": 7.0}
    assert set_now(world)[f"paused.{LANE}"]["by"] == "bob"
    assert f"weights.{LANE}" not in set_now(world)
    assert "limit was changed since and stays" in undone.steps[1]["told"]
    assert "paused anew since, by bob" in undone.steps[0]["told"]


def test_a_lane_that_was_held_before_stays_held_after_undoing(world: World, desk: Desk) -> None:
    with world.ledger.write() as session:
        lane_actions.pause(session, LANE, lane_actions.Operator("bob", "mine"), world.clock.now(), None, 0)

    made = run(desk, Drill([Hold(LANE)]), {}, 0, told)
    undo(desk, made.id, told)

    assert set_now(world)[f"paused.{LANE}"]["by"] == "bob"


def test_a_run_whose_process_died_in_a_step_can_be_taken_back(world: World, desk: Desk) -> None:
    made = run(desk, Drill([Hold(LANE)]), {}, 0, told)
    steps = [dict(step) | {"state": "doing", "memo": {}} for step in made.steps]
    with world.ledger.write() as session:
        ledger.runbooks.note(session, made.id, state="running", steps=steps)

    undo(desk, made.id, told)

    assert set_now(world) == {}


def test_a_run_that_is_taken_back_by_another_meanwhile_does_nothing_more_and_stays_undone(world: World, desk: Desk) -> None:
    @dataclass(frozen=True, slots=True)
    class Interrupted(Hold):
        """A hold; somebody takes the run back as soon as it has begun, or before its last word."""

        def do(self, desk: Desk) -> Words:
            undo(desk, 1, told)
            return Hold.do(self, desk)

    with pytest.raises(RunbookRefusedError, match="was taken back while step 2 was under way"):
        run(desk, Drill([Hold(LANE), Interrupted("orders"), Hold("returns")]), {}, 0, told)
    made = kept(world, 1)

    assert (made.state, states(made)) == ("undone", ["undone", "undone", "planned"])
    assert set_now(world) == {}


def test_a_run_that_is_taken_back_while_its_effect_is_waited_for_stays_undone(world: World, desk: Desk) -> None:
    class Waiting(Drill):
        def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
            undo(desk, 1, told)
            return [Check("it helps", True, "so it is")]

    made = run(desk, Waiting([Hold(LANE)]), {}, 0, told)

    assert (made.state, set_now(world)) == ("undone", {})


def test_what_stands_at_a_target_goes_to_another_one_once_and_not_in_doubt(world: World, desk: Desk) -> None:
    backup = with_backup(world)
    refused(world, "0")
    world.erp.script.append("lost before")
    world.prepare(*world.tell(an_order("1")))
    doubtful = world.tray.take()
    assert doubtful is not None
    world.work_letter(doubtful)
    world.prepare(*world.tell(an_order("2"), an_order("3")))
    mine = replace(desk, context=world.context)

    memo = Redirect("sandbox", BACKUP, 3).do(mine)
    world.work()

    assert (memo["moved"], memo["left"]) == (2, 1)
    assert [reason for reason in memo["reasons"] if "in doubt" in reason]
    assert sorted(effect.key for effect in backup.effects) == ["order/shopify/2", "order/shopify/3"]
    assert [effect.key for effect in world.erp.effects] == ["order/shopify/1"]
    assert not world.erp.doubled


def test_every_case_of_a_flood_gets_its_owner_however_many_there_are(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_steps, "BATCH", 2)
    keys = of_unknown_item(world, "1", "2", "3", "4", "5")
    [group] = groups(world, "cause")
    step = Assign(group.group, "ops", 60, 5)

    memo = step.do(desk)
    owned = len(cases(world, owner="ops"))

    assert sorted(memo["keys"]) == sorted(map(str, keys))
    assert owned == 5
    assert step.undo(desk, memo).startswith("5 cases")


def test_recovering_an_order_moves_no_event_of_another_channel_that_has_the_same_id(world: World, desk: Desk) -> None:
    world.prepare(*world.tell(an_order("7"), key="42"))
    world.tell(an_order("8", source="open"), key="42")

    made = run(desk, OrderRecovery(), {"order": "#7"}, 0, told)

    assert [step["kind"] for step in made.steps] == ["move"]
    assert world.rows("select source, class from events order by id") == [("shopify", "normal"), ("open", "normal")]
    assert world.rows("select class from deliveries") == [("high",)]


def test_without_its_limiter_a_target_that_refuses_is_not_planned_for_and_no_fault_is_shown(world: World, desk: Desk) -> None:
    book, given = ApiThrottling(), {"lane": LANE, "rate": ""}

    lacking = [check.what for check in book.check(desk, given) if not check.ok]

    assert f"the limiter of {LANE} can be read" in lacking
    with pytest.raises(RunbookRefusedError, match="give --with rate="):
        book.plan(desk, given)


def test_parameters_are_checked_with_the_nearest_name() -> None:
    assert given_of(Drill(), {"lane": "x"}) == {"lane": "x", "rate": "5"}
    with pytest.raises(RunbookRefusedError, match="did you mean 'lane'"):
        given_of(Drill(), {"lan": "x"})
    with pytest.raises(RunbookRefusedError, match="--with lane="):
        given_of(Drill(), {})


def test_an_order_is_recovered_on_the_command_line_as_far_as_can_be_seen(world: World, ledger_url: str) -> None:
    [key] = refused(world, "7")

    def go(*words: str) -> Ended:
        ended = millrace("runbook", *words, LEDGER_URL=ledger_url, BROKER_URL=AWAY)
        assert "Traceback" not in ended.err
        return ended

    looked = go("check", "order-recovery", "--with", "order=#7", "--json").json
    unasked = go("run", "order-recovery", "--with", "order=#7", "--why", "the customer calls")
    made = go("run", "order-recovery", "--with", "order=#7", "--why", "x", "--wait", "0", "--yes", "--by", "anna", "--json")
    world.work()
    shown = go("runs", "1")
    undone = go("undo", "1", "--why", "x", "--yes", "--json")

    assert (looked["ok"], [step["says"].split(";")[0] for step in looked["steps"]]) == (True, [f"retry {key}"])
    assert (unasked.code, "say --yes" in unasked.err, "ok  something of it is not done" in unasked.err) == (4, True, True)
    assert (made.code, made.json["state"]) == (5, "unverified")
    assert ("unverified" in shown.out, "NOT SEEN: all of it is done" in shown.err) == (True, True)
    assert undone.json["steps"][0]["told"] == f"{key} went; what failed again is parked again"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "failover"), 3, "failover-routing"),
        (("check", "queue-backlog"), 2, "--with lane="),
        (("check", "queue-backlog", "--with", "lane"), 2, "write NAME=VALUE"),
        (("check", "queue-backlog", "--with", "lane=deliver.nowhere"), 4, "no lane"),
        (("run", "order-recovery", "--with", "order=9", "--yes"), 2, "say why"),
        (("run", "order-recovery", "--with", "order=9", "--why", "x", "--yes"), 3, "no order '9' is known"),
        (("run", "broker-alarm", "--why", "x", "--yes"), 4, "this is an outage, not an alarm"),
        (("undo", "9", "--why", "x", "--yes"), 3, "no run 9"),
        (("runs", "9"), 3, "no run 9"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)
def test_what_is_not_right_is_refused_with_a_remedy(
    world: World, ledger_url: str, words: tuple[str, ...], code: int, said: str
) -> None:
    ended = millrace("runbook", *words, LEDGER_URL=ledger_url, BROKER_URL=AWAY)

    assert (ended.code, said in ended.err) == (code, True), ended
