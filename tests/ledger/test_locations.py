"""The backlog by location on both databases: orders and shipments at the place that they name, until they are done."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from canonical.outcome import Unavailable
from ledger import locations
from ledger.business import STAGES
from ledger.locations import AtLocation
from telemetry.gauges import MOST_SERIES
from tests.documents import MORNING, a_return, a_shipment, an_order, an_order_line
from tests.tasks.world import TARGET, World, a_world
from workers.stock_figures import MOST_LOCATIONS, by_location


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def at_locations(world: World) -> list[AtLocation]:
    with world.ledger.read() as session:
        return locations.backlog_by_location(session, [TARGET])


def test_orders_and_shipments_stand_at_the_place_that_they_name_until_they_are_done(world: World) -> None:
    world.prepare(*world.tell(an_order("parked", location="paris", lines=[an_order_line(sku="GONE")])))
    world.work()
    world.erp.script.append(Unavailable("maintenance"))
    world.prepare(*world.tell(an_order("1", location="berlin")))
    letter = world.tray.take()
    assert letter
    world.work_letter(letter)
    told_at = world.clock.now()
    world.prepare(*world.tell(an_order("2", location="berlin"), an_order("3"), a_shipment("f3", order_key="3", location="paris")))
    world.prepare(*world.tell(a_return("r3", order_key="3")))
    world.tell(an_order("4", location="berlin"))

    assert {(one.location, one.domain, one.stage): one.count for one in at_locations(world)} == {
        ("berlin", "orders", "prepared"): 1,
        ("berlin", "orders", "retrying"): 1,
        ("none", "orders", "prepared"): 1,
        ("paris", "orders", "parked"): 1,
        ("paris", "shipments", "waiting"): 1,
    }
    assert {one.oldest_at for one in at_locations(world) if one.stage == "prepared"} == {told_at}

    world.work()
    assert [(one.location, one.stage) for one in at_locations(world)] == [("paris", "parked")]


def test_the_fullest_locations_have_names_and_the_rest_share_one_within_what_is_shown() -> None:
    many = [AtLocation(f"store-{n:03}", "orders", "parked", n, more=False, oldest_at=MORNING) for n in range(1, 301)]
    places = [(f"store-{n:03}", n, stage) for n in range(1, 301) for stage in STAGES[:6]]
    stages = [AtLocation(location, "orders", stage, n, more=False, oldest_at=MORNING) for location, n, stage in places]
    shown = [one for one in by_location(many, MORNING + timedelta(seconds=5)) if one.metric == "millrace_backlog_by_location"]
    dense = [one for one in by_location(stages, MORNING) if one.metric == "millrace_backlog_by_location"]

    counts = {one.labels["location"]: one.value for one in shown}
    assert len(counts) == MOST_LOCATIONS + 1
    assert (counts["store-300"], counts["other"]) == (300, sum(range(1, 101)))
    assert len(dense) <= MOST_SERIES
    assert sum(one.value for one in dense) == 6 * sum(range(1, 301))
