"""`millrace lanes` on a real ledger, on both databases: what is shown, changed, refused and written down."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.documents import an_order
from tests.tasks.world import TARGET, World, a_world
from tests.workers.command_line import Ended, millrace
from workers.bootstrap import now
from workers.cli import lanes_change
from workers.plan import LedgerPlan

LANE = f"deliver.{TARGET}"


@dataclass(frozen=True, slots=True)
class Desk:
    """A ledger with two orders that wait for their target, and the command line on it."""

    world: World
    url: str

    def run(self, *words: str) -> Ended:
        ended = millrace("lanes", *words, LEDGER_URL=self.url)
        assert "Traceback" not in ended.err
        return ended

    def plan(self) -> LedgerPlan:
        return LedgerPlan(self.world.ledger, self.world.context.fleet)


@pytest.fixture
def desk(ledger_url: str) -> Iterator[Desk]:
    yield from a_desk(ledger_url)


@pytest.fixture
def small_desk(sqlite_url: str) -> Iterator[Desk]:
    """For what never comes to the database."""
    yield from a_desk(sqlite_url)


def a_desk(url: str) -> Iterator[Desk]:
    with a_world(url) as world:
        world.clock.at = now() - timedelta(minutes=10)
        world.prepare(*world.tell(an_order("1001"), an_order("1002"), cls="high"))
        world.tell(an_order("1003"))
        yield Desk(world, url)


def test_every_lane_is_listed_with_what_waits_and_since_when(desk: Desk) -> None:
    told = desk.run("list", "--json").json

    lanes = {lane["lane"]: lane for lane in told["lanes"]}
    assert set(lanes) == {"orders", "shipments", "returns", "stock", LANE}
    assert (lanes[LANE]["state"], lanes[LANE]["waiting"], lanes["orders"]["waiting"]) == ("open", 2, 1)
    (here,) = lanes[LANE]["by_class"]
    assert (here["domain"], here["rows"], here["messages"]) == ("orders", 2, None)
    assert 590 < here["oldest_s"] < 900
    assert lanes[LANE]["limit"] == {"rate_per_s": 50.0, "burst": 10, "concurrency": 10}
    assert lanes[LANE]["limiter"] is None
    assert "MILLRACE_REDIS_URL" in told["away"][0]


def test_the_table_is_plain_text_where_nobody_looks_at_a_terminal(desk: Desk) -> None:
    told = desk.run("list")
    watched = desk.run("list", "--watch", "--looks", "2")
    lines = desk.run("list", "--watch", "--looks", "2", "--json")

    assert "\x1b" not in told.out + watched.out
    assert any(line.split()[:3] == [LANE, "open", "50/s"] for line in told.out.splitlines())
    assert watched.out.count(LANE) == 2
    assert len(lines.out.splitlines()) == 2


def test_a_pause_needs_a_reason_and_tells_who_and_until_when(desk: Desk) -> None:
    without = desk.run("pause", LANE)
    until = datetime.now(UTC) + timedelta(hours=2)
    paused = desk.run("pause", LANE, "--why", "wrong codes", "--until", "2h", "--by", "ann", "--json").json
    shown = desk.run("show", LANE, "--json").json

    assert without.code == 2
    assert abs(datetime.fromisoformat(paused["until"]) - until) < timedelta(minutes=1)
    assert (shown["state"], shown["why"], shown["scale"]) == ("paused", "wrong codes (ann)", 0.0)
    assert [(one["by"], one["action"], one["reason"]) for one in shown["actions"]] == [("ann", "lane.pause", "wrong codes")]
    assert desk.plan().current().paused == {LANE}


def test_a_resume_ends_a_pause_and_says_when_there_is_none(desk: Desk) -> None:
    desk.run("pause", "orders", "--why", "wait")

    first = desk.run("resume", "orders", "--why", "on", "--ramp", "1h")
    again = desk.run("resume", "returns", "--why", "on")

    assert (first.code, again.code) == (0, 3)
    assert desk.plan().current().paused == set()
    assert desk.plan().current().gates["orders"].scale < 0.2


def test_set_shows_before_and_after_and_changes_nothing_unasked(desk: Desk) -> None:
    words = ("set", LANE, "--rate", "25", "--concurrency", "5", "--why", "month end")
    shown = desk.run(*words, "--share", "orders=60", "--aged-after", "5m", "--dry-run", "--json").json
    unasked = desk.run(*words)
    limit_then = desk.plan().current().limits[TARGET].rate_per_s
    done = desk.run(*words, "--yes")

    changed = {key: (value, shown["after"][key]) for key, value in shown["before"].items() if shown["after"][key] != value}
    assert changed == {"rate_per_s": ("50", "25"), "concurrency": ("10", "5"), "weight aged_after_s": ("900", "300")}
    assert shown["after"]["share orders"] == "60"
    assert (unasked.code, limit_then) == (4, 50.0)
    assert "--yes" in unasked.err
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines() if "rate" in line] == [["rate_per_s", "50", "25"]]
    assert desk.plan().current().limits[TARGET].rate_per_s == 25.0


@pytest.mark.parametrize(
    "above",
    [("--rate", "50.1"), ("--burst", "11"), ("--concurrency", "11"), ("--operation", "order.create:rate_per_s=51")],
    ids=" ".join,
)
def test_what_the_fleet_file_does_not_allow_needs_force(small_desk: Desk, above: tuple[str, ...]) -> None:
    refused = small_desk.run("set", LANE, *above, "--why", "peak", "--yes")
    forced = small_desk.run("set", LANE, *above, "--why", "peak", "--yes", "--force")

    assert (refused.code, forced.code) == (4, 0)
    assert "the fleet file allows less" in refused.err


def test_what_another_changed_between_the_look_and_the_yes_is_not_gone_over(
    small_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thinking(yes: bool, question: str) -> None:
        monkeypatch.undo()
        assert small_desk.run("set", LANE, "--rate", "7", "--why", "quicker", "--yes").code == 0

    monkeypatch.setattr(lanes_change, "agree", thinking)
    late = small_desk.run("set", LANE, "--burst", "3", "--why", "slower")

    assert (late.code, "was changed since you looked; nothing was changed" in late.err) == (4, True)
    limit = small_desk.plan().current().limits[TARGET]
    assert (limit.rate_per_s, limit.burst) == (7.0, 10)


def test_settings_add_up_and_reset_goes_back_to_the_fleet_file(desk: Desk) -> None:
    desk.run("set", LANE, "--rate", "25", "--operation", "order.create:rate_per_s=5", "--why", "a", "--yes")
    desk.run("set", LANE, "--burst", "2", "--operation", "order.create:concurrency=1", "--high", "9", "--why", "b", "--yes")
    both = desk.plan().current()
    desk.run("set", LANE, "--reset", "--burst", "3", "--why", "c", "--yes")
    after = desk.plan().current()

    limit = both.limits[TARGET]
    assert (limit.rate_per_s, limit.burst, both.weights[LANE].high) == (25.0, 2, 9)
    assert (limit.operations["order.create"].rate_per_s, limit.operations["order.create"].concurrency) == (5.0, 1)
    assert (after.limits[TARGET].rate_per_s, after.limits[TARGET].burst, after.weights[LANE].high) == (50.0, 3, 16)
    assert after.limits[TARGET].operations == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "deliver.sandbx"), 3, "deliver.sandbox"),
        (("set", LANE, "--why", "x"), 2, "say what to set"),
        (("set", "orders", "--rate", "5", "--why", "x"), 2, "posts to no target"),
        (("set", LANE, "--share", "catalog=5", "--why", "x"), 2, "no domain 'catalog'"),
        (("set", LANE, "--share", "orders=0", "--why", "x"), 2, "number above 0"),
        (("set", LANE, "--operation", "order.create:speed=1", "--why", "x"), 2, "write order.create"),
        (("pause", LANE, "--why", "x", "--until", "soon"), 2, "no moment"),
        (("pause", LANE, "--why", "x", "--until", "2020-01-01 00:00"), 2, "is past"),
        (("pause", LANE, "--why", "x", "--ramp", "5m"), 2, "--until"),
        (("plot", LANE, "--out", "lanes.pdf"), 2, ".png or .svg"),
        (("plot", LANE, "--out", "lanes.png"), 69, "cannot be read"),
        (("plot", "orders"), 2, "posts to no target"),
        (("windows", "add", LANE, "--for", "1h", "--why", "x"), 2, "--start for once"),
        (("windows", "add", "orders", "--for", "1h", "--start", "now", "--why", "x"), 2, "pause it instead"),
        (("windows", "add", LANE, "--for", "9d", "--start", "now", "--why", "x"), 2, "at most 7 days"),
        (("windows", "add", LANE, "--for", "1h", "--start", "2020-01-01 00:00", "--why", "x"), 2, "over before it begins"),
        (("windows", "add", LANE, "--for", "1h", "--weekly", "sut", "--at", "01:00", "--why", "x"), 2, "no day 'sut'"),
        (("windows", "add", LANE, "--for", "1h", "--weekly", "sat", "--at", "25:00", "--why", "x"), 2, "time of day"),
        (("windows", "add", LANE, "--for", "1h", "--start", "now", "--zone", "Berlin", "--why", "x"), 2, "no time zone"),
        (("windows", "add", LANE, "--for", "1h", "--start", "now", "--why", "x"), 4, "--yes"),
        (("windows", "cancel", "7", "--why", "x"), 3, "no window 7"),
        (("windows", "canary", "7", "--why", "x"), 3, "no window 7"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)
def test_bad_input_gets_its_exit_code_and_a_remedy(small_desk: Desk, words: tuple[str, ...], code: int, said: str) -> None:
    ended = small_desk.run(*words)

    assert ended.code == code, ended
    assert said in " ".join(ended.err.replace("│", " ").split()), ended


def test_a_window_is_planned_in_absolute_times_added_seen_and_cancelled(desk: Desk) -> None:
    words = ("windows", "add", LANE, "--weekly", "sat", "--at", "01:00", "--zone", "America/New_York", "--for", "2h")
    planned = desk.run(*words, "--drain", "10m", "--why", "backup", "--dry-run", "--json").json["phases"]
    nothing = desk.run("windows", "list", "--json").json
    added = desk.run(*words, "--drain", "10m", "--why", "backup", "--yes", "--by", "ann", "--json").json
    (listed,) = desk.run("windows", "list", "--json").json
    skipped = desk.run("windows", "cancel", str(added["window"]), "--this", "--why", "none tonight", "--json").json
    (later,) = desk.run("windows", "list", "--json").json
    gone = desk.run("windows", "cancel", str(added["window"]), "--why", "moved", "--json").json

    first = planned[:4]
    assert [phase["phase"] for phase in first] == ["announced", "draining", "held", "canary"]
    assert all(before["until"] == after["from"] for before, after in pairwise(first))
    held = first[2]
    assert datetime.fromisoformat(held["until"]) - datetime.fromisoformat(held["from"]) == timedelta(hours=2)
    assert (nothing, added["phases"]) == ([], planned)
    assert (listed["when"], listed["why"]) == ("sat 01:00 America/New_York", "backup")
    assert datetime.fromisoformat(held["from"]).strftime("%Y-%m-%d %H:%M:%S") == listed["next"] == skipped["occurrence"]
    assert later["next"] > listed["next"]
    assert (gone["cancelled"], desk.run("windows", "list", "--json").json) == (True, [])


def test_a_window_that_holds_is_shown_and_its_canary_is_let_go_by_command(desk: Desk) -> None:
    desk.run("windows", "add", LANE, "--start", "now", "--for", "1h", "--drain", "0s", "--why", "release", "--yes")
    (held,) = desk.run("windows", "list", "--json").json
    state = desk.run("show", LANE, "--json").json
    let = desk.run("windows", "canary", str(held["window"]), "--why", "back early", "--json").json
    after = desk.run("show", LANE, "--json").json
    again = desk.run("windows", "canary", str(held["window"]), "--why", "again")

    assert (held["phase"], state["state"], state["scale"]) == ("held", "held", 0.0)
    assert state["why"] == f"maintenance window {held['window']}: release"
    assert (let["needed"], after["state"], again.code) == (1, "canary", 4)
    assert [one["action"] for one in after["actions"]] == ["window.canary", "window.add"]
