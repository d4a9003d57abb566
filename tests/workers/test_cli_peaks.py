"""`millrace peak` on a real ledger, on both databases: seen before, put in force, taken back, refused, written down."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

import ledger.actions
from ledger.actions import Action
from tests.documents import an_order
from tests.tasks.world import TARGET, World, a_world
from tests.workers.command_line import Ended, millrace
from workers.bootstrap import now
from workers.fetch.plan import FetchPlan
from workers.plan import LedgerPlan

LANE = f"deliver.{TARGET}"
PROFILE = f"""
summary = "Dear orders first"
lasts_s = 7200

[lanes."{LANE}"]
weights = {{ high = 40, normal = 4, low = 1 }}
shares = {{ orders = 80, returns = 5 }}
limit = {{ rate_per_s = 20 }}

[[classes]]
class = "high"
total_at_least = 100
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A ledger with a backlog, a folder of profiles, and the command line on both."""

    world: World
    url: str
    folder: Path

    def run(self, *words: str) -> Ended:
        ended = millrace("peak", *words, LEDGER_URL=self.url, PEAKS_FOLDER=str(self.folder))
        assert "Traceback" not in ended.err
        return ended

    def lanes(self, *words: str) -> Ended:
        return millrace("lanes", *words, LEDGER_URL=self.url)

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.toml").write_text(text, encoding="utf-8")

    def plan(self) -> FetchPlan:
        return LedgerPlan(self.world.ledger, self.world.context.fleet).current()

    def deeds(self) -> list[Action]:
        with self.world.ledger.read() as session:
            return ledger.actions.listed(session, "peak", 10)


@pytest.fixture
def desk(ledger_url: str, tmp_path: Path) -> Iterator[Desk]:
    yield from a_desk(ledger_url, tmp_path)


@pytest.fixture
def small_desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    """For what never comes to the database, or is the same on both."""
    yield from a_desk(sqlite_url, tmp_path)


def a_desk(url: str, folder: Path) -> Iterator[Desk]:
    peaks = folder / "peaks"
    peaks.mkdir()
    with a_world(url) as world:
        world.clock.at = now() - timedelta(minutes=10)
        dear = [an_order(f"D{n}", total="150.00") for n in range(4)]
        world.prepare(*world.tell(*(an_order(f"P{n}") for n in range(36)), *dear))
        made = Desk(world, url, peaks)
        made.write("dear-first", PROFILE)
        yield made


def test_a_plan_shows_the_difference_what_moves_and_the_waits_and_changes_nothing(desk: Desk) -> None:
    seen = desk.run("plan", "dear-first", "--json").json

    differ = {(one["where"], one["what"]): (one["before"], one["after"]) for one in seen["differences"]}
    waits = {one["cls"]: one for one in seen["waits"]}
    assert differ[f"lane {LANE}", "weight high"] == ("16", "40")
    assert differ[f"lane {LANE}", "rate_per_s"] == ("50", "20")
    assert differ[f"lane {LANE}", "share orders"] == ("-", "80")
    assert differ["classes", "rule 1"] == ("-", "high: total at least 100")
    assert seen["moves"] == [{"lane": LANE, "before": "normal", "after": "high", "rows": 4}]
    assert (waits["normal"]["rows"], waits["normal"]["rows_then"], waits["high"]["rows_then"]) == (40, 36, 4)
    # 40 rows at 50 a second now; then at 20 a second, of which the four dear ones have ten parts of eleven until they are gone
    assert waits["normal"]["wait_s"] == pytest.approx(0.8)
    assert waits["normal"]["wait_then_s"] == pytest.approx(2.0)
    assert waits["high"]["wait_then_s"] == pytest.approx(0.22)
    assert (seen["guessed"], seen["looked_at"]) == (False, 40)
    assert desk.deeds() == []
    assert desk.run("status", "--json").json["in_force"] is None


def test_where_more_waits_than_is_looked_at_the_figures_are_of_all_that_waits(
    small_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.peak_preview.MOST_LOOKED_AT", 20)
    small_desk.world.prepare(
        *small_desk.world.tell(*(an_order(f"L{n}", total="150.00" if n % 2 else "10.00") for n in range(40)))
    )
    with small_desk.world.ledger.write() as session:
        session.exec_driver_sql("update deliveries set state = 'done' where business_key not like '%/L%'")

    seen = small_desk.run("plan", "dear-first", "--json").json

    assert (seen["guessed"], seen["looked_at"]) == (True, 20)
    assert seen["moves"] == [{"lane": LANE, "before": "normal", "after": "high", "rows": 20}]
    assert {one["cls"]: one["rows_then"] for one in seen["waits"]} == {"high": 20, "normal": 20}


def test_apply_and_revert_put_the_whole_profile_in_force_and_back_and_are_written_down(desk: Desk) -> None:
    before = desk.plan()
    applied = desk.run("apply", "dear-first", "--why", "the sale", "--by", "ann", "--yes", "--json")
    under, status = desk.plan(), desk.run("status", "--json").json
    listed = {one["name"]: one["in_force"] for one in desk.run("list", "--json").json}
    reverted = desk.run("revert", "--why", "sold out", "--by", "bob", "--yes", "--json")
    after = desk.plan()

    assert (applied.code, reverted.code, reverted.json["in_force"]) == (0, 0, None)
    assert (under.weights[LANE].high, under.shares[LANE], under.limits[TARGET].rate_per_s) == (
        40,
        {"orders": 80, "returns": 5},
        20.0,
    )
    assert (before.weights[LANE].high, before.limits[TARGET].rate_per_s) == (16, 50.0)
    assert after == before
    assert listed == {"dear-first": True}
    assert (status["in_force"]["name"], status["in_force"]["by"], status["kept"]) == ("dear-first", "ann", False)
    deeds = [(one.action, one.by, one.reason, one.before.get("profile"), one.after.get("profile")) for one in desk.deeds()]
    assert deeds == [
        ("peak.revert", "bob", "sold out", "dear-first", None),
        ("peak.apply", "ann", "the sale", None, "dear-first"),
    ]
    assert [one["action"] for one in desk.run("history", "--json").json] == ["revert", "apply"]


def test_what_an_operator_set_for_a_lane_stands_above_the_profile_and_the_plan_says_so(desk: Desk) -> None:
    desk.lanes("set", LANE, "--rate", "5", "--why", "gently", "--yes")

    seen = desk.run("plan", "dear-first", "--json").json
    desk.run("apply", "dear-first", "--why", "the sale", "--yes")

    (stays,) = [one for one in seen["differences"] if one["note"]]
    assert (stays["what"], stays["before"], stays["after"]) == ("rate_per_s", "5", "20")
    assert "lanes set --reset" in stays["note"]
    assert (desk.plan().limits[TARGET].rate_per_s, desk.plan().weights[LANE].high) == (5.0, 40)
    desk.lanes("set", LANE, "--reset", "--why", "the peak", "--yes")
    assert desk.plan().limits[TARGET].rate_per_s == 20.0


def test_a_profile_whose_limit_no_longer_fits_leaves_the_fleet_files_in_force(small_desk: Desk) -> None:
    small_desk.run("apply", "dear-first", "--why", "the sale", "--yes")
    with small_desk.world.ledger.write() as session:
        session.exec_driver_sql("update controls set value = replace(value, '20.0', '-1') where name = 'peak'")

    plan = small_desk.plan()

    assert (plan.limits[TARGET].rate_per_s, plan.weights[LANE].high) == (50.0, 16)
    assert "cannot read it" in small_desk.run("status").err


def test_more_than_the_fleet_file_allows_needs_force(small_desk: Desk) -> None:
    small_desk.write("greedy", PROFILE.replace("rate_per_s = 20", "rate_per_s = 60"))

    refused = small_desk.run("apply", "greedy", "--why", "the sale", "--yes")
    forced = small_desk.run("apply", "greedy", "--why", "the vendor agreed", "--force", "--yes")

    assert (refused.code, forced.code) == (4, 0)
    assert "rate_per_s 50, not 60" in refused.err
    assert small_desk.plan().limits[TARGET].rate_per_s == 60.0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("apply", "dear-frist", "--why", "x"), 3, "did you mean 'dear-first'"),
        (("show", "wrong"), 2, "wrong.toml: last_s: unknown key; did you mean 'lasts_s'"),
        (("plan", "elsewhere"), 2, "lane 'deliver.nowhere' is not in the fleet file"),
        (("plan",), 2, "name a profile, or say --none"),
        (("revert", "--why", "x", "--yes"), 3, "no peak profile is in force"),
        (("apply", "dear-first", "--why", "x"), 4, ""),
        (("apply", "dear-first"), 2, "--why"),
        (("apply", "dear-first", "--why", "x", "--until", "2020-01-01 00:00", "--yes"), 2, "is past"),
        (("schedule", "add", "dear-first", "--start", "2020-01-01 00:00", "--why", "x", "--yes"), 2, "is past"),
        (("schedule", "add", "dear-first", "--start", "2h", "--zone", "Mars/Base", "--why", "x"), 2, "no time zone 'Mars/Base'"),
        (("schedule", "add", "dear-first", "--start", "2h", "--end", "1h", "--for", "1h", "--why", "x"), 2, "one of --end"),
        (("schedule", "cancel", "7", "--why", "x"), 3, "schedule 7 is not to come"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_code(small_desk: Desk, words: tuple[str, ...], code: int, told: str) -> None:
    small_desk.write("wrong", PROFILE.replace("lasts_s", "last_s"))
    small_desk.write("elsewhere", PROFILE.replace(LANE, "deliver.nowhere"))

    ended = small_desk.run(*words)

    assert ended.code == code, ended
    assert told in ended.err + ended.out
    assert small_desk.run("status", "--json").json["in_force"] is None


def test_a_dry_run_shows_the_plan_and_does_nothing(small_desk: Desk) -> None:
    small_desk.run("apply", "dear-first", "--why", "the sale", "--yes")

    told = small_desk.run("revert", "--why", "sold out", "--dry-run", "--json").json

    assert (told["in_force"], told["profile"]) == ("dear-first", None)
    assert small_desk.run("status", "--json").json["in_force"]["name"] == "dear-first"


def test_a_schedule_is_said_in_its_zone_kept_as_the_file_is_and_cancelled(desk: Desk) -> None:
    start, end = ("2031-03-30 00:00", "2031-03-30 06:00")
    words = ("--start", start, "--end", end, "--zone", "Europe/Berlin", "--why", "the night that has no 02:30")

    added = desk.run("schedule", "add", "dear-first", *words, "--yes", "--json").json
    listed = desk.run("schedule", "list").out
    (kept,) = desk.run("schedule", "list", "--json").json
    coming = desk.run("status", "--json").json["next"]
    cancelled = desk.run("schedule", "cancel", str(added["schedule"]), "--why", "off")

    assert (added["starts_at"], added["ends_at"]) == ("2031-03-29T23:00:00+00:00", "2031-03-30T04:00:00+00:00")
    assert "2031-03-30 00:00:00" in listed
    assert "Europe/Berlin" in listed
    assert (kept["state"], coming["name"]) == ("due", "dear-first")
    assert cancelled.code == 0
    assert desk.run("schedule", "list", "--json").json == []
    assert [one["state"] for one in desk.run("schedule", "list", "--all", "--json").json] == ["cancelled"]
    assert [one.action for one in desk.deeds()] == ["peak.cancel", "peak.plan"]


def test_the_end_is_what_until_says_else_what_the_profile_says(small_desk: Desk) -> None:
    began = now()
    small_desk.run("apply", "dear-first", "--why", "the sale", "--yes")
    by_profile = small_desk.world.rows("select ends_at from peak_changes order by id desc limit 1")[0][0]
    small_desk.run("apply", "dear-first", "--why", "shorter", "--until", "30m", "--yes")
    by_hand = small_desk.world.rows("select ends_at from peak_changes order by id desc limit 1")[0][0]

    assert str(by_hand) < str(by_profile)
    assert str(by_profile) >= f"{began + timedelta(hours=2):%Y-%m-%d %H:%M}"
    # the same profile again takes the place of itself: one revert is enough
    assert small_desk.run("revert", "--why", "done", "--yes", "--json").json["in_force"] is None


def test_the_shipped_profiles_can_be_looked_at_without_a_ledger() -> None:
    told = millrace("peak", "list", "--json").json
    shown = millrace("peak", "show", "black-friday")

    assert {one["name"]: one["wrong"] for one in told} == {"black-friday": "", "flash-sale": "", "quiet": ""}
    assert "kinds return until 22:00 (UTC), at most 24 h" in " ".join(shown.out.split())
