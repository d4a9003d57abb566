"""`millrace rehearse` and `millrace scale plan`: what they say to people and programs, by a fleet file and a living ledger."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.measured import Attempted
from tests.documents import an_order
from tests.tasks.world import TARGET, World, a_world
from tests.workers.command_line import Ended, child, millrace
from workers.bootstrap import now
from workers.rehearse.measured import LEAST, service_of
from workers.rehearse.service import Service

LANE = f"deliver.{TARGET}"
CURVE = ("--arrivals", "flat", "--rate", "5", "--for", "20s", "--at", "2026-11-27T22:00+00:00")
"""In the evening: the profile for Black Friday lets returns wait until then."""


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    """A ledger with thirty orders done and twenty that wait to be posted; three more are not read yet."""
    with a_world(ledger_url) as made:
        made.clock.at = now() - timedelta(minutes=10)
        made.prepare(*made.tell(*(an_order(str(number)) for number in range(30))))
        made.work()
        made.prepare(*made.tell(*(an_order(str(number)) for number in range(30, 50))))
        made.tell(*(an_order(str(number)) for number in range(50, 53)))
        yield made


def scale(ledger_url: str, *words: str) -> Ended:
    return millrace("scale", "plan", *words, LEDGER_URL=ledger_url)


def test_a_curve_is_rehearsed_from_the_fleet_file_alone_and_told_for_people_and_programs() -> None:
    people, programs, again = (
        millrace("rehearse", "black-friday", *CURVE, "--promise", "high=1h", *more) for more in ((), ("--json",), ("--json",))
    )

    told = programs.json
    assert (people.code, programs.code) == (0, 0)
    assert "no MILLRACE_LEDGER_URL" in programs.err
    assert (told["arrivals"], told["open"], told["binds"]) == (told["done"], 0, "nothing")
    assert {one["lane"] for one in told["waits"]} == {LANE}
    assert told["allowances"][0]["allowed_per_s"] == 50
    assert told["waits"][0]["promised"] == told["waits"][0]["count"] > told["waits"][0]["breached"] == 0
    assert all(words in people.out for words in ("what binds", "nothing: what came was done", LANE, "prepare"))
    assert told == again.json


def test_arrivals_are_saved_and_rehearsed_from_their_file_as_the_same(tmp_path: Path) -> None:
    file = str(tmp_path / "a.csv")

    made = millrace("rehearse", "current", *CURVE, "--save-arrivals", file, "--json").json
    read = millrace("rehearse", "current", "--arrivals", file, *CURVE[-2:], "--json").json

    assert read["waits"][0]["count"] == made["waits"][0]["count"]
    # Offsets are kept to a tenth of a millisecond.
    assert read["drained_s"] == pytest.approx(made["drained_s"], abs=0.5)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_rehearsal_is_drawn(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"peak.{suffix}"

    told = millrace("rehearse", "black-friday", *CURVE, "--plot", str(file))

    assert told.code == 0
    drawn = file.read_bytes()
    words = (b"high", b"normal", b"limit sandbox 50/s", b"waiting", b"Rehearsal of black-friday")
    assert drawn.startswith(b"\x89PNG") if suffix == "png" else all(word in drawn for word in words)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("black-fryday", *CURVE), 3, "black-friday"),
        (("current", "--arrivals", "flatt"), 2, "neither a file nor a curve"),
        (("current", *CURVE, "--workers", "deliver=0"), 2, "from 1 to 1000"),
        (("current", *CURVE, "--outage", "sandbox=20m"), 2, "TARGET=FROM+LENGTH"),
        (("current", *CURVE, "--promise", "higher=1m"), 2, "high, normal, low"),
        (("current", *CURVE, "--part", "express=0.9", "--part", "return=0.2"), 2, "1 together at most"),
        (("current", *CURVE, "--channel", "shopfy"), 2, "shopify"),
        (("current", *CURVE, "--plot", "peak.gif"), 2, ".png or .svg"),
    ],
)
def test_wrong_words_are_told_with_the_nearest_right_ones(words: tuple[str, ...], code: int, told: str) -> None:
    ended = millrace("rehearse", *words)

    assert ended.code == code
    assert told in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    ("words", "told"), [(("--lanes", "deliver.sandbx"), "deliver.sandbox"), (("--workers", "delivr=2"), "deliver")]
)
def test_a_lane_or_pool_that_the_fleet_does_not_have_is_told_by_the_process(words: tuple[str, ...], told: str) -> None:
    ended = child("rehearse", "current", *CURVE, *words)

    assert (ended.code, ended.out) == (2, "")
    assert f"did you mean {told!r}?" in ended.err


def test_what_operators_set_and_the_profile_in_force_count_in_a_rehearsal_of_what_is_current(
    world: World, ledger_url: str
) -> None:
    def allowed() -> Any:
        ended = millrace("rehearse", "current", *CURVE, "--json", LEDGER_URL=ledger_url)
        assert ended.code == 0, ended
        return ended.json["allowances"][0]["allowed_per_s"], ended.json["drained_s"]

    before = allowed()
    set_now = millrace("lanes", "set", LANE, "--rate", "2", "--why", "month end", "--yes", LEDGER_URL=ledger_url)
    after = allowed()

    assert set_now.code == 0, set_now
    assert (before[0], after[0]) == (50, 2)
    assert after[1] > before[1] + 15


def test_times_are_measured_from_the_ledger_where_there_are_enough(world: World, ledger_url: str) -> None:
    ended = millrace("rehearse", "current", *CURVE, "--from-ledger", "--json", LEDGER_URL=ledger_url)

    assert ended.code == 0, ended
    # The ERP in memory answers at once by a clock that stands; the assumed time of a call is 200 ms and more.
    assert ended.json["times"][TARGET]["call_ms"] < 5
    assert "assumed times" not in ended.err


def test_a_plan_counts_the_living_backlog_and_says_slots_and_workers(world: World, ledger_url: str, tmp_path: Path) -> None:
    slow = tmp_path / "times.toml"
    slow.write_text("[prepare]\nrow_ms = { median = 1000 }\n", encoding="utf-8")

    people, programs = (scale(ledger_url, "--drain-within", "10s", "--service", str(slow), *more) for more in ((), ("--json",)))

    lanes = {one["lane"]: one for one in programs.json["lanes"]}
    pools = {one["pool"]: one for one in programs.json["pools"]}
    assert (people.code, programs.code) == (0, 0)
    # Those that are not read yet will be posted too.
    assert (lanes[LANE]["rows"], lanes["orders"]["rows"]) == (23, 3)
    assert (lanes[LANE]["possible"], lanes[LANE]["bound"]) == (True, "rate")
    assert (pools["prepare"]["slots"], pools["prepare"]["workers"], pools["deliver"]["workers"]) == (1, 1, 1)
    assert "in 10s" in people.out


def test_a_drain_time_that_the_limit_forbids_ends_with_code_1_and_the_soonest_that_is_possible(
    world: World, ledger_url: str
) -> None:
    set_now = millrace("lanes", "set", LANE, "--rate", "0.1", "--burst", "1", "--why", "test", "--yes", LEDGER_URL=ledger_url)

    people, programs, never = (
        scale(ledger_url, "--drain-within", "10s", "--lane", LANE, *more) for more in ((), ("--json",), ("--inflow", "1"))
    )

    (told,) = programs.json["lanes"]
    assert set_now.code == 0, set_now
    assert (people.code, programs.code, never.code) == (1, 1, 1)
    assert told["soonest_s"] == pytest.approx(220.0)
    assert (told["possible"], told["drain_s"], told["slots"]) == (False, told["soonest_s"], 1)
    assert "the rate of its limit makes that impossible; the soonest is 3m 40s" in people.err
    assert "more comes than it lets through" in never.err


def test_a_plan_needs_a_ledger_and_a_time() -> None:
    assert millrace("scale", "plan", "--drain-within", "1h").code == 2
    assert millrace("scale", "plan", "--drain-within", "0s").code == 2


def test_measured_times_are_the_spread_of_the_attempts_with_the_mean_of_the_answers() -> None:
    told = [Attempted("erp", "order.create", 2, took_s, worked=True, handed_back=False) for took_s in (0.2, 0.6) * LEAST]
    told += [Attempted("erp", "order.create", 2, 0.3, worked=False, handed_back=False)] * 10
    told += [Attempted("erp", "order.create", 2, 0.0, worked=False, handed_back=True)] * 50
    few = [Attempted("few", "order.create", 1, 0.1, worked=True, handed_back=False)] * (LEAST - 1)

    found = service_of([*told, *few], {"erp": 0.05}, Service())

    assert set(found.targets) == {"erp"}
    assert set(found.of("erp").call_ms.samples) == {25.0, 75.0}
    assert found.of("erp").call_ms.mean_s == pytest.approx(0.05)
    assert found.of("erp").failing == pytest.approx(0.1)
