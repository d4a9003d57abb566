"""A peak profile in force: new documents get its classes, rests and targets; the standing backlog is put under it and back."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

import ledger.crossrefs
import ledger.peaks
from adapters.erps.memory import MemoryErp
from adapters.http.client import Client
from adapters.throttle.base import Limit
from adapters.throttle.local import LocalThrottle
from ledger.crossrefs import CrossRef
from tasks.backlog import Place, put_under
from tasks.in_force import where_it_is
from tests.documents import a_return, a_shipment, an_order
from tests.tasks.world import TARGET, World, a_world
from tests.workers.peaks import PeakDesk, a_profile

OTHER = "books-eu"
NIGHT = {"quiet_from": "22:00", "quiet_to": "06:00", "zone": "UTC"}
GOLD_FIRST = {"class": "high", "kinds": ["order", "shipment"], "customer_tiers": ["gold"]}


@pytest.fixture
def desk(ledger_url: str) -> Iterator[PeakDesk]:
    with a_world(ledger_url) as world:
        yield PeakDesk(world)


@pytest.fixture
def lite(sqlite_url: str) -> Iterator[PeakDesk]:
    with a_world(sqlite_url) as world:
        yield PeakDesk(world)


def with_another_target(world: World) -> MemoryErp:
    """Have the world's fleet post to a second ERP too, if somebody says so."""
    erp, context = MemoryErp(), world.context
    fleet = context.fleet.model_copy(update={"targets": {**context.fleet.targets, OTHER: context.fleet.targets[TARGET]}})
    world.context = replace(
        context,
        fleet=fleet,
        erps={**context.erps, OTHER: erp},
        clients={**context.clients, OTHER: Client(erp.http)},
        throttles={**context.throttles, OTHER: LocalThrottle(Limit())},
    )
    with world.ledger.write() as session:
        ledger.crossrefs.put(session, [CrossRef(OTHER, "item", "*", "SKU-0001", "501")], world.clock.now())
    return erp


def gone_to(world: World) -> dict[str, str]:
    return {str(key): str(target) for key, target in world.rows("select business_key, target from deliveries")}


def test_what_is_prepared_gets_the_class_of_the_profile_until_it_is_taken_back(desk: PeakDesk) -> None:
    world = desk.world
    world.prepare(*world.tell(an_order("1", customer_tier="gold")))
    desk.apply(a_profile(classes=[GOLD_FIRST]))
    world.clock.move(1)
    world.prepare(*world.tell(an_order("2", customer_tier="gold"), an_order("3"), a_shipment("S2", order_key="2")))
    desk.revert()
    world.clock.move(1)
    world.prepare(*world.tell(an_order("4", customer_tier="gold")))

    assert desk.classes() == {
        "order/shopify/1": "normal", "order/shopify/2": "high", "order/shopify/3": "normal", "shipment/shopify/S2": "high",
        "order/shopify/4": "normal",
    }  # fmt: skip


def test_what_is_deferred_rests_without_an_attempt_and_goes_by_itself_when_quiet_hours_begin(desk: PeakDesk) -> None:
    world = desk.world
    world.prepare(*world.tell(an_order("1")))
    world.work()
    desk.apply(a_profile(defer=[{"kinds": ["return"], **NIGHT}]))
    world.clock.move(1)

    world.prepare(*world.tell(a_return("R1", order_key="1")))
    world.work()
    before = desk.release(), desk.states()["return/shopify/R1"]
    with world.ledger.read() as session:
        (resting,) = ledger.peak_backlog.resting(session)
    world.clock.move_to(resting.first_until)
    released = desk.release()
    world.work()

    assert before == (0, "deferred")
    assert (resting.domain, resting.count, resting.first_until.isoformat()) == ("returns", 1, "2026-11-27T22:00:00+00:00")
    assert released == 1
    assert desk.states()["return/shopify/R1"] == "done"
    outcomes = "select outcome from attempts a join deliveries d on d.id = a.delivery_id where d.domain = 'returns'"
    assert world.rows(outcomes) == [("Done",)]


def test_a_return_whose_order_still_waits_rests_once_the_order_is_posted(desk: PeakDesk) -> None:
    world = desk.world
    desk.apply(a_profile(defer=[{"kinds": ["return"], **NIGHT, "at_most_s": 60}]))
    world.prepare(*world.tell(an_order("1"), a_return("R1", order_key="1")))
    behind = desk.states()["return/shopify/R1"]
    world.work()
    resting = desk.states()
    world.clock.move(60)
    desk.release()
    world.work()

    assert behind == "waiting"
    assert resting == {"order/shopify/1": "done", "return/shopify/R1": "deferred"}
    assert desk.states()["return/shopify/R1"] == "done"


def test_a_rest_ends_when_something_comes_behind_it_that_does_not_rest(desk: PeakDesk) -> None:
    world = desk.world
    world.prepare(*world.tell(an_order("1"), an_order("2")))
    world.work()
    desk.apply(a_profile(defer=[{"kinds": ["return"], **NIGHT}]))
    world.clock.move(1)
    world.prepare(*world.tell(a_return("R1", order_key="1"), a_return("R2", order_key="2")))

    world.prepare(*world.tell(a_shipment("S1", order_key="1")))
    released = desk.release()
    world.work()

    assert released == 1
    assert desk.states() == {
        "order/shopify/1": "done", "order/shopify/2": "done", "return/shopify/R1": "done", "shipment/shopify/S1": "done",
        "return/shopify/R2": "deferred",
    }  # fmt: skip
    posted = [
        str(key) for (key,) in world.rows("select d.business_key from attempts a join deliveries d on d.id = a.delivery_id")
    ]
    assert posted.index("return/shopify/R1") < posted.index("shipment/shopify/S1")


def test_what_stands_before_something_that_does_not_rest_is_not_deferred_by_a_profile_that_comes(desk: PeakDesk) -> None:
    world = desk.world
    world.prepare(*world.tell(an_order("1"), an_order("2")))
    world.work()
    world.prepare(*world.tell(a_return("R1", order_key="1"), a_return("R2", order_key="2")))
    world.prepare(*world.tell(a_shipment("S1", order_key="1")))

    desk.apply(a_profile(defer=[{"kinds": ["return"], **NIGHT}]))
    moved = desk.settle()
    world.work()

    assert moved == 1
    assert {key: state for key, state in desk.states().items() if state != "done"} == {"return/shopify/R2": "deferred"}


def test_the_standing_backlog_takes_the_profiles_classes_and_goes_back_to_its_own(desk: PeakDesk) -> None:
    world = desk.world
    world.prepare(*world.tell(an_order("1", customer_tier="gold"), an_order("2"), an_order("3", customer_tier="gold")))
    with world.ledger.write() as session:
        session.exec_driver_sql("update deliveries set class = 'low' where business_key = 'order/shopify/3'")

    desk.apply(a_profile(classes=[GOLD_FIRST]))
    moved = desk.settle()
    under = desk.classes()
    letters = {letter.queue for _, letter in world.tray._letters if 1 in letter.rows}
    desk.revert()
    desk.settle()
    after = desk.classes()
    world.work()

    assert moved == 1
    # The third was moved by hand: its class is not what the rules gave it, and stays.
    assert under == {"order/shopify/1": "high", "order/shopify/2": "normal", "order/shopify/3": "low"}
    assert f"deliver.{TARGET}.orders.high" in letters
    assert after == {"order/shopify/1": "normal", "order/shopify/2": "normal", "order/shopify/3": "low"}
    assert set(desk.states().values()) == {"done"}
    assert len(world.rows("select id from attempts where outcome = 'Done'")) == 3


def test_the_standing_backlog_rests_and_is_awake_again_when_the_profile_is_taken_back(desk: PeakDesk) -> None:
    world = desk.world
    world.prepare(*world.tell(an_order("1"), an_order("2", source="open")))
    desk.apply(a_profile(defer=[{"sources": ["shopify"], **NIGHT}]))
    desk.settle()
    resting = desk.states()
    world.work()
    worked = desk.states()
    desk.revert()
    desk.settle()
    desk.release()
    world.work()

    assert resting == {"order/shopify/1": "deferred", "order/open/2": "queued"}
    assert worked == {"order/shopify/1": "deferred", "order/open/2": "done"}
    assert set(desk.states().values()) == {"done"}
    assert world.rows("select outcome from attempts") == [("Done",), ("Done",)]


def test_what_rested_once_does_not_rest_again(lite: PeakDesk) -> None:
    world = lite.world
    world.prepare(*world.tell(an_order("1")))
    profile = a_profile(defer=[{"kinds": ["order"], **NIGHT, "at_most_s": 60}])
    lite.apply(profile)
    lite.settle()
    world.clock.move(60)
    lite.release()

    lite.apply(profile)
    moved = lite.settle()

    assert moved == 0
    assert lite.states() == {"order/shopify/1": "queued"}


def test_a_rest_ends_after_its_longest_time_also_where_quiet_hours_are_far(lite: PeakDesk) -> None:
    world = lite.world
    lite.apply(a_profile(defer=[{"kinds": ["order"], **NIGHT, "at_most_s": 600}]))
    world.clock.move(1)
    world.prepare(*world.tell(an_order("1")))
    world.clock.move(599)
    early = lite.release()
    world.clock.move(1)

    assert (early, lite.release()) == (0, 1)


def test_the_backlog_is_gone_through_in_parts_by_one_process_after_the_other(
    desk: PeakDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.backlog.PART", 2)
    world = desk.world
    world.prepare(*world.tell(*(an_order(str(n), customer_tier="gold") for n in range(7))))
    desk.apply(a_profile(classes=[GOLD_FIRST]))

    places = []
    for _ in range(40):
        with world.ledger.read() as session:
            (change,) = ledger.peaks.history(session, 1)
        places.append((change.place, change.moved))
        # each time what the ledger tells is all that is known, as for a process that starts anew
        if put_under(world.context, change, most_parts=1):
            break
        world.clock.move(1)

    assert set(desk.classes().values()) == {"high"}
    assert [moved for _, moved in places][-1] == 7
    assert len({Place.read(place).last for place, _ in places}) > 3


def test_a_change_that_comes_before_the_backlog_was_put_under_the_last_one_takes_all_of_it(
    lite: PeakDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.backlog.PART", 2)
    world = lite.world
    world.prepare(*world.tell(*(an_order(str(n), customer_tier="gold") for n in range(6))))
    lite.apply(a_profile("one", classes=[GOLD_FIRST]))
    with world.ledger.read() as session:
        (change,) = ledger.peaks.unsettled(session)
    put_under(world.context, change, most_parts=5)
    half = sorted(lite.classes().values())

    lite.apply(a_profile("two", classes=[{"class": "low", "customer_tiers": ["gold"]}]))
    lite.settle()

    assert half == ["high", "high", "normal", "normal", "normal", "normal"]
    assert set(lite.classes().values()) == {"low"}
    with world.ledger.read() as session:
        assert ledger.peaks.unsettled(session) == []


def test_new_orders_go_where_the_profile_says_and_what_belongs_to_an_order_follows_it(desk: PeakDesk) -> None:
    world = desk.world
    with_another_target(world)
    world.prepare(*world.tell(an_order("1")))
    desk.apply(a_profile(sourcing=[{"target": OTHER, "sources": ["shopify"]}]))
    world.clock.move(2)
    world.prepare(*world.tell(an_order("2"), an_order("3", source="open"), a_shipment("S2", order_key="2")))
    world.prepare(*world.tell(a_shipment("S1", order_key="1"), an_order("1", told_at=5, note="changed")))
    desk.revert()
    world.clock.move(1)
    world.prepare(*world.tell(an_order("4"), a_return("R2", order_key="2")))
    world.work()

    assert gone_to(world) == {
        "order/shopify/1": TARGET, "order/shopify/2": OTHER, "order/open/3": TARGET, "shipment/shopify/S2": OTHER,
        "shipment/shopify/S1": TARGET, "order/shopify/4": TARGET, "return/shopify/R2": OTHER,
    }  # fmt: skip
    assert set(desk.states().values()) == {"done"}


def test_sourcing_waits_until_every_process_knows_of_it(lite: PeakDesk) -> None:
    world = lite.world
    with_another_target(world)
    lite.apply(a_profile(sourcing=[{"target": OTHER}]))
    world.clock.move(1)
    world.prepare(*world.tell(an_order("1")))
    world.clock.move(1)
    world.prepare(*world.tell(an_order("2")))

    assert gone_to(world) == {"order/shopify/1": TARGET, "order/shopify/2": OTHER}


def test_a_profile_of_another_release_leaves_the_fleet_file_in_force_for_preparing(lite: PeakDesk) -> None:
    world = lite.world
    lite.apply(a_profile(classes=[GOLD_FIRST]))
    with world.ledger.write() as session:
        session.exec_driver_sql("update controls set value = replace(value, 'summary', 'sumary') where name = 'peak'")

    world.prepare(*world.tell(an_order("1", customer_tier="gold")))

    assert lite.classes() == {"order/shopify/1": "normal"}


@pytest.mark.parametrize(
    ("targets", "meant", "placed", "found"),
    [
        (("a",), ("a",), ("a",), ("a",)),
        (("a",), ("a",), ("b",), ("b",)),
        (("a", "wms"), ("a",), ("b",), ("b", "wms")),
        (("wms",), ("a",), ("b",), ("wms",)),
        (("a", "c"), ("a", "c"), ("b",), ("b",)),
        (("a",), ("a",), (), ("a",)),
        (("a", "c"), ("a", "c"), ("a",), ("a",)),
    ],
)
def test_what_belongs_to_an_order_goes_where_that_is(
    targets: tuple[str, ...], meant: tuple[str, ...], placed: tuple[str, ...], found: tuple[str, ...]
) -> None:
    assert where_it_is(targets, meant, placed) == found
