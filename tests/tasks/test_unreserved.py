"""Orders whose sender promised to reserve, on both databases: from their telling until a reservation is, however they meet."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy

from ledger import unreserved
from tasks.prepare import prepare
from tests.documents import a_count, a_position, a_reservation, an_order, an_order_line
from tests.tasks.world import World, a_counted_fleet, a_promising_fleet, a_world

PROMISES = {"shopify": 900.0}
TABLES = re.compile("stock_counts|stock_cancellations|unreserved_orders")


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, items=False, fleet=a_promising_fleet()) as made:
        yield made


def counted(world: World) -> list[tuple[str, int]]:
    with world.ledger.read() as session:
        return [(one.channel, one.count) for one in unreserved.without_reservation(session, PROMISES, world.clock.now())]


def missing(world: World, most: int = 100) -> list[str]:
    with world.ledger.read() as session:
        return [one.key for one in unreserved.missing(session, PROMISES, world.clock.now(), most)]


def test_an_order_counts_from_the_end_of_its_promise_until_it_is_reserved(world: World) -> None:
    world.prepare(*world.tell(an_order("1"), an_order("2"), an_order("3", source="open")))
    told_at = world.clock.now()
    world.clock.move(899)
    early = counted(world)
    world.clock.move(1)
    late, listed = counted(world), missing(world)
    with world.ledger.read() as session:
        (row,) = unreserved.without_reservation(session, PROMISES, world.clock.now())
    world.prepare(*world.tell(a_reservation("v1", order_key="1")))

    assert (early, late, listed) == ([("shopify", 0)], [("shopify", 2)], ["1", "2"])
    assert row.oldest_at == told_at
    assert (counted(world), missing(world)) == ([("shopify", 1)], ["2"])
    world.clock.move(86_400)
    assert counted(world) == [("shopify", 0)]


def test_what_is_reserved_before_with_or_after_the_order_or_is_cancelled_does_not_count(world: World) -> None:
    world.prepare(*world.tell(a_reservation("before", order_key="1")))
    world.prepare(*world.tell(an_order("1"), an_order("2"), an_order("4"), a_reservation("with", order_key="2")))
    world.prepare(*world.tell(an_order("3"), an_order("4", told_at=1, status="cancelled")))
    world.prepare(*world.tell(a_reservation("after", order_key="3"), an_order("5", status="cancelled")))
    world.prepare(*world.tell(a_reservation("another shop's", order_key="6", source="open"), an_order("6")))
    world.clock.move(900)

    assert missing(world) == ["6"]


def test_a_gift_card_and_a_test_order_want_no_stock(world: World) -> None:
    card = an_order("1", lines=[an_order_line(requires_shipping=False)])
    world.prepare(*world.tell(card, an_order("2", test=True), an_order("3")))
    world.clock.move(900)

    assert missing(world) == ["3"]


def test_an_order_and_its_reservation_prepared_side_by_side_never_miss_each_other(world: World) -> None:
    told = [world.tell(an_order(str(n)), a_reservation(f"v{n}", order_key=str(n))) for n in range(20)]
    ids = [receipt.id for pair in told for receipt in pair]
    with ThreadPoolExecutor(4) as crowd:
        list(crowd.map(lambda one: prepare(world.context, [one]), ids))
    world.clock.move(900)

    assert world.rows("select count(*) from documents where kind = 'order'") == [(20,)]
    assert missing(world) == []


def test_where_nobody_promises_nothing_is_noted_and_old_rows_are_dropped(world: World) -> None:
    world.prepare(*world.tell(an_order("1", source="open"), an_order("2")))
    noted = world.rows("select source from unreserved_orders")
    world.clock.move_to(world.clock.now() + unreserved.KEPT_FOR + timedelta(seconds=1))
    with world.ledger.write() as session:
        unreserved.forget(session, world.clock.now())

    assert noted == [("shopify",)]
    assert world.rows("select count(*) from unreserved_orders") == [(0,)]


def test_orders_and_positions_of_which_nothing_is_to_be_noted_pay_no_statement(sqlite_url: str) -> None:
    asked: list[str] = []
    with a_world(sqlite_url, items=False, fleet=a_counted_fleet()) as world:
        sqlalchemy.event.listen(world.ledger.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
        world.prepare(*world.tell(an_order("1"), a_position(), a_reservation(order_key="1")))
        world.prepare(
            *world.tell(an_order("2"), an_order("1", told_at=1, status="cancelled"), a_position(available=-1, told_at=1))
        )
        plain = [statement for statement in asked if TABLES.search(statement)]
        world.prepare(*world.tell(a_count()))

    assert plain == []
    assert [statement for statement in asked if TABLES.search(statement)]
