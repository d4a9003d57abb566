"""What happens to peak profiles by themselves: schedules, ends, guards, over the death of whoever keeps them."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

import ledger.actions
import ledger.peaks
from ledger import controls
from ledger.peaks import InForce
from tests.documents import an_order
from tests.tasks.world import TARGET, World, a_world
from tests.workers.peaks import ANN, PeakDesk, a_profile
from workers import peaks
from workers.lanes import Lookout
from workers.peak_keeper import POOLS, PeakKeeper
from workers.peak_pools import PoolSizes, PoolWorker

LANE = f"deliver.{TARGET}"
CROWDED = {"metric": "waiting", "lane": LANE, "above": 2, "for_s": 6}


@dataclass
class Workers:
    """Workers that answer as those of the product do; one whose name begins with ``stiff`` cannot be resized."""

    there: dict[str, PoolWorker] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    away: bool = False

    def start(self, name: str, pool: str = "deliver", size: int = 16) -> None:
        self.there[name] = PoolWorker(name, pool, size, size, len(self.asked) + len(self.there) + 1)

    def workers(self) -> list[PoolWorker]:
        if self.away:
            raise OSError("the broker does not answer")
        return list(self.there.values())

    def resize(self, worker: PoolWorker, by: int) -> str:
        self.asked.append((worker.name, by))
        if worker.name.startswith("stiff"):
            return "2 of its processes are busy"
        self.there[worker.name] = PoolWorker(worker.name, worker.pool, worker.size + by, worker.configured, worker.pid)
        return ""


@dataclass
class Kept:
    """A world, its peak desk and the processes that keep its profile."""

    desk: PeakDesk
    workers: Workers

    @property
    def world(self) -> World:
        return self.desk.world

    def keeper(self) -> PeakKeeper:
        context = self.world.context
        return PeakKeeper(context, Lookout(context.fleet, context.ledger), lambda: PoolSizes(self.workers))

    def pass_s(self, seconds: float, keeper: PeakKeeper) -> None:
        """Let time pass in steps of one second, with a round at each."""
        for _ in range(int(seconds)):
            self.world.clock.move(1)
            keeper.round()

    def in_force(self) -> InForce | None:
        with self.world.ledger.read() as session:
            return ledger.peaks.in_force(session)

    def name(self) -> str | None:
        standing = self.in_force()
        return standing.name if standing else None

    def schedule(self, profile: Any, starts_in_s: float, ends_in_s: float | None = None) -> int:
        now = self.world.clock.now()
        ends_at = now + timedelta(seconds=ends_in_s) if ends_in_s else None
        with self.world.ledger.write() as session:
            starts_at = now + timedelta(seconds=starts_in_s)
            return ledger.peaks.schedule(session, profile.name, profile.kept(), starts_at, ends_at, "UTC", "ann", "sale", now)

    def deeds(self) -> list[tuple[str, str, str]]:
        with self.world.ledger.read() as session:
            return [(one.action, one.by, one.reason) for one in reversed(ledger.actions.listed(session, peaks.SUBJECT, 50))]


@pytest.fixture
def kept(ledger_url: str) -> Iterator[Kept]:
    with a_world(ledger_url) as world:
        yield Kept(PeakDesk(world), Workers())


@pytest.fixture
def lite(sqlite_url: str) -> Iterator[Kept]:
    with a_world(sqlite_url) as world:
        yield Kept(PeakDesk(world), Workers())


def test_a_scheduled_profile_begins_and_ends_by_itself_also_when_its_keeper_died_meanwhile(kept: Kept) -> None:
    kept.schedule(a_profile("sale"), starts_in_s=10, ends_in_s=60)
    first = kept.keeper()

    kept.pass_s(9, first)
    before = kept.name()
    kept.pass_s(1, first)
    during = kept.in_force()
    # the first keeper dies; the second goes on when the other's word has run out
    second = kept.keeper()
    kept.pass_s(49, second)
    late = kept.name()
    kept.pass_s(1, second)

    assert (before, late, kept.name()) == (None, "sale", None)
    assert during is not None
    assert (during.by, during.why) == ("ann", "sale (schedule 1)")
    assert [(deed, by) for deed, by, _ in kept.deeds()] == [("peak.schedule", "ann"), ("peak.end", "the keeper")]


def test_of_two_keepers_one_keeps_and_the_other_goes_on_when_it_is_gone(kept: Kept) -> None:
    one, other = kept.keeper(), kept.keeper()
    one.round()
    kept.schedule(a_profile(), starts_in_s=3)

    kept.pass_s(5, other)
    while_one_lives = kept.name()
    kept.pass_s(1, other)

    assert (while_one_lives, kept.name()) == (None, "sale")


def test_a_keeper_that_ends_in_order_leaves_it_to_the_next_at_once(kept: Kept) -> None:
    stop = threading.Event()
    first = kept.keeper()
    first.round()
    stop.set()
    first.run(stop)
    kept.schedule(a_profile(), starts_in_s=1)

    kept.pass_s(1, kept.keeper())

    assert kept.name() == "sale"


def test_a_schedule_that_was_over_before_anybody_looked_is_missed_and_a_cancelled_one_does_not_begin(kept: Kept) -> None:
    missed = kept.schedule(a_profile(), starts_in_s=10, ends_in_s=20)
    cancelled = kept.schedule(a_profile(), starts_in_s=10)
    with kept.world.ledger.write() as session:
        ledger.peaks.settle_scheduled(session, cancelled, "cancelled", kept.world.clock.now())
    kept.world.clock.move(30)
    kept.keeper().round()

    with kept.world.ledger.read() as session:
        states = {entry.id: entry.state for entry in ledger.peaks.scheduled(session, 10, every=True)}
    assert states == {missed: "missed", cancelled: "cancelled"}
    assert kept.name() is None


def test_a_profile_that_lasts_an_hour_is_gone_after_it_and_the_one_before_it_is_back(kept: Kept) -> None:
    keeper = kept.keeper()
    kept.desk.apply(a_profile("week"))
    kept.desk.apply(a_profile("hour", lasts_s=3_600))
    kept.world.clock.move(3_599)
    keeper.round()
    before = kept.name()
    kept.world.clock.move(1)
    keeper.round()

    assert (before, kept.name()) == ("hour", "week")
    kept.desk.revert()
    assert kept.name() is None


def test_a_profile_below_that_ended_meanwhile_does_not_come_back(lite: Kept) -> None:
    lite.desk.apply(a_profile("short", lasts_s=60))
    lite.desk.apply(a_profile("long"))
    lite.world.clock.move(120)

    assert lite.desk.revert() is None
    assert lite.name() is None


def test_a_broken_guard_takes_the_profile_back_after_its_time_and_says_why(kept: Kept) -> None:
    keeper = kept.keeper()
    kept.desk.apply(a_profile("sale", guards=[CROWDED]))
    kept.world.prepare(*kept.world.tell(*(an_order(str(n)) for n in range(3))))

    kept.pass_s(6, keeper)
    before = kept.name()
    kept.pass_s(1, keeper)

    assert (before, kept.name()) == ("sale", None)
    deed, by, why = kept.deeds()[-1]
    assert (deed, by) == ("peak.guard", "the keeper")
    assert why.startswith(f"waiting {LANE} above 2 for 6 s: it is 3 since ")


def test_a_guard_that_heals_in_time_begins_anew(kept: Kept) -> None:
    keeper = kept.keeper()
    kept.desk.apply(a_profile(guards=[CROWDED]))
    kept.world.prepare(*kept.world.tell(*(an_order(str(n)) for n in range(3))))
    kept.pass_s(4, keeper)
    kept.world.work(most=3)
    kept.pass_s(1, keeper)
    kept.world.prepare(*kept.world.tell(*(an_order(str(n)) for n in range(10, 13))))
    kept.pass_s(6, keeper)

    assert kept.name() == "sale"
    kept.pass_s(1, keeper)
    assert kept.name() is None


def test_how_long_a_guard_is_broken_is_known_to_the_keeper_that_comes_after(kept: Kept) -> None:
    kept.desk.apply(a_profile(guards=[CROWDED]))
    kept.world.prepare(*kept.world.tell(*(an_order(str(n)) for n in range(3))))
    kept.pass_s(2, kept.keeper())

    # it goes on when the first one's word has run out, and the guard is then known to be broken for long
    after = kept.keeper()
    kept.pass_s(4, after)
    before = kept.name()
    kept.pass_s(1, after)

    assert (before, kept.name()) == ("sale", None)


def test_a_guard_is_not_looked_at_before_its_grace_is_over(lite: Kept) -> None:
    keeper = lite.keeper()
    lite.desk.apply(a_profile(guards=[{**CROWDED, "grace_s": 4, "for_s": 2}]))
    lite.world.prepare(*lite.world.tell(*(an_order(str(n)) for n in range(3))))

    lite.pass_s(5, keeper)
    before = lite.name()
    lite.pass_s(1, keeper)

    assert (before, lite.name()) == ("sale", None)


def test_what_cannot_be_told_breaks_no_guard(lite: Kept) -> None:
    keeper = lite.keeper()
    # without a shared Redis nobody sees the limiter
    lite.desk.apply(a_profile(guards=[{"metric": "throttled_part", "lane": LANE, "above": 0, "for_s": 0}]))

    lite.pass_s(5, keeper)

    assert lite.name() == "sale"


def test_pools_get_the_profiles_size_once_also_those_that_come_later_and_their_own_back(lite: Kept) -> None:
    keeper = lite.keeper()
    lite.workers.start("deliver-1")
    lite.workers.start("prepare-1", "prepare", 2)
    lite.desk.apply(a_profile(pools={"deliver": {"concurrency": 24, "processes": 2}}))
    keeper.round()
    lite.workers.start("deliver-2")
    keeper._pools_at = float("-inf")
    keeper.round()
    under = {name: worker.size for name, worker in lite.workers.there.items()}
    # somebody uses Flower's button: what the profile asked for once is not asked for again
    lite.workers.resize(lite.workers.there["deliver-1"], 6)
    keeper._pools_at = float("-inf")
    keeper.round()
    grown = lite.workers.there["deliver-1"].size
    lite.desk.revert()
    keeper.round()

    assert under == {"deliver-1": 24, "prepare-1": 2, "deliver-2": 24}
    assert grown == 30
    assert {name: worker.size for name, worker in lite.workers.there.items()} == {
        "deliver-1": 16,
        "prepare-1": 2,
        "deliver-2": 16,
    }


def test_a_keeper_whose_time_is_over_in_the_midst_of_its_workers_resizes_none_twice(lite: Kept) -> None:
    lite.workers.start("deliver-1")
    lite.workers.start("deliver-2")
    lite.desk.apply(a_profile(pools={"deliver": {"concurrency": 24}}))
    second = lite.keeper()

    class Slow(Workers):
        def resize(self, worker: PoolWorker, by: int) -> str:
            done = Workers.resize(self, worker, by)
            lite.world.clock.move(10)
            second.round()
            return done

    context = lite.world.context
    slow = Slow(lite.workers.there, lite.workers.asked)
    first = PeakKeeper(context, Lookout(context.fleet, context.ledger), lambda: PoolSizes(slow))
    first.round()

    assert lite.workers.asked == [("deliver-1", 8), ("deliver-2", 8)]
    assert [worker.size for worker in lite.workers.there.values()] == [24, 24]


def test_what_could_not_be_done_to_the_pools_is_told(lite: Kept) -> None:
    keeper = lite.keeper()
    lite.workers.start("stiff-1")
    lite.desk.apply(a_profile(pools={"deliver": {"concurrency": 24, "processes": 3}}))
    keeper.round()

    with lite.world.ledger.read() as session:
        told: Any = controls.some(session, [POOLS])[POOLS]
    assert told["workers"]["stiff-1"] == {"pool": "deliver", "size": 16, "wanted": 24, "told": "2 of its processes are busy"}
    assert told["missing"] == ["pool deliver: 1 workers run, the profile counts on 3: start the others"]

    lite.workers.away = True
    keeper._pools_at = float("-inf")
    keeper.round()
    with lite.world.ledger.read() as session:
        assert controls.some(session, [POOLS])[POOLS]["missing"] == ["the broker does not answer"]


def test_a_profile_of_another_release_does_not_stop_the_keeper(lite: Kept) -> None:
    keeper = lite.keeper()
    lite.desk.apply(a_profile(guards=[CROWDED], lasts_s=10))
    with lite.world.ledger.write() as session:
        session.exec_driver_sql("update controls set value = replace(value, 'summary', 'sumary') where name = 'peak'")
        session.exec_driver_sql("update peak_changes set profile = replace(profile, 'summary', 'sumary')")

    lite.pass_s(10, keeper)

    assert lite.name() is None


def test_a_change_is_refused_that_goes_by_another_than_is_in_force(lite: Kept) -> None:
    first = lite.desk.apply(a_profile("one"))
    lite.desk.apply(a_profile("two"), expected=first.change)

    with pytest.raises(peaks.PeakChangedError, match="two is in force by now"), lite.world.ledger.write() as session:
        peaks.revert(session, ANN, lite.world.clock.now(), expected=first.change)
    with pytest.raises(peaks.PeakChangedError, match="two is in force by now"):
        lite.desk.apply(a_profile("three"), expected=0)
    assert lite.name() == "two"
