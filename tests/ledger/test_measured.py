"""What the ledger tells those who plan, on both databases: newest attempts, what stands and is not read, how fast it comes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from canonical.outcome import Unavailable
from ledger import measured
from tests.documents import a_shipment, an_order
from tests.tasks.world import TARGET, World, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_the_newest_attempts_come_first_with_their_requests_and_whether_they_worked(world: World) -> None:
    world.erp.script.append(Unavailable("down"))
    world.prepare(*world.tell(an_order("1"), an_order("2")))
    world.work()

    with world.ledger.read() as session:
        told = measured.latest(session)
        (newest,) = measured.latest(session, 1)

    # The target was down: the first failed, the second was spared, and both worked later.
    assert sorted((one.worked, one.handed_back) for one in told) == [(False, False), (False, True), (True, False), (True, False)]
    assert {(one.target, one.operation, one.calls) for one in told} == {(TARGET, "order.create", 1)}
    assert all(one.took_s >= 0 for one in told)
    assert newest == told[0]
    assert newest.worked


def test_what_stands_is_counted_by_operation_with_what_waits_behind_and_without_what_is_done(world: World) -> None:
    world.prepare(*world.tell(an_order("1")))
    world.work()
    first_at = world.clock.now()
    world.prepare(*world.tell(an_order("2"), an_order("3")))
    world.clock.move(60)
    world.prepare(*world.tell(a_shipment("s2", order_key="2")))

    with world.ledger.read() as session:
        told = {one.operation: one for one in measured.standing(session)}

    assert {name: (one.rows, one.calls) for name, one in told.items()} == {"order.create": (2, 2), "shipment.create": (1, 1)}
    assert told["order.create"].oldest_at == first_at
    assert told["shipment.create"].oldest_at == first_at + timedelta(seconds=60)


def test_events_that_nobody_has_read_are_counted_by_source_and_domain(world: World) -> None:
    world.prepare(*world.tell(an_order("1")))
    world.tell(an_order("2"), an_order("3"))

    with world.ledger.read() as session:
        (told,) = measured.unread(session, ("orders", "shipments"))
        none = measured.unread(session, ("returns",))

    assert (told.domain, told.rows) == ("orders", 2)
    assert none == []


def test_events_a_second_are_those_of_the_newest_ones_and_none_where_none_came(world: World) -> None:
    began = world.clock.now()
    with world.ledger.read() as session:
        nothing = measured.inflow_per_s(session, began)
    world.tell(*(an_order(str(number)) for number in range(30)))

    with world.ledger.read() as session:
        told = measured.inflow_per_s(session, began + timedelta(seconds=120))
        newest = measured.inflow_per_s(session, began + timedelta(seconds=120), most=6)

    assert nothing == 0
    assert told == pytest.approx(0.25)
    assert newest == pytest.approx(0.05)
