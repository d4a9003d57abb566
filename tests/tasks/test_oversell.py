"""What was sold and was not there, on both databases: orders cancelled for want of stock, positions below zero."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from canonical.outcome import Rejected
from ledger import oversell
from ledger.actions import Actor
from ledger.failures import FailureKey
from ledger.oversell import Cancelled, Oversold
from routing.patch import Setting
from tasks.edit import Change, edit
from tests.documents import a_position, an_order
from tests.tasks.world import World, a_stock_fleet, a_world

DAY = timedelta(days=1)


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, items=False, fleet=a_stock_fleet()) as made:
        yield made


def rates(world: World) -> list[Cancelled]:
    with world.ledger.read() as session:
        return oversell.rates(session, world.clock.now() - DAY)


def cancelled(world: World, key: str, *, told_at: float = 1, source: str = "shopify", reason: str | None = "stock") -> None:
    world.prepare(*world.tell(an_order(key, told_at=told_at, source=source, status="cancelled", cancel_reason=reason)))


def test_orders_cancelled_for_want_of_stock_are_counted_once_against_the_orders_of_their_channel(world: World) -> None:
    world.prepare(*world.tell(*(an_order(str(n)) for n in range(4)), an_order("9", source="open"), a_position()))
    cancelled(world, "0")
    cancelled(world, "0", told_at=2)
    cancelled(world, "1", reason="customer")
    cancelled(world, "2", reason=None)
    cancelled(world, "5")
    since = world.clock.now() - DAY

    assert rates(world) == [Cancelled("open", 1, 0, since), Cancelled("shopify", 5, 2, since)]
    world.clock.move(86_401)
    assert rates(world) == []
    with world.ledger.read() as session:
        assert oversell.cancelled(session, world.clock.now() - DAY) == []


@pytest.mark.parametrize("now", [{"status": "open"}, {"status": "cancelled", "cancel_reason": "customer"}])
def test_an_order_that_was_not_lost_for_want_of_stock_after_all_counts_no_more(world: World, now: dict[str, str]) -> None:
    world.prepare(*world.tell(an_order("0"), an_order("1")))
    cancelled(world, "0")
    cancelled(world, "1")
    before = rates(world)
    world.prepare(*world.tell(an_order("0", told_at=2, **now), an_order("1", told_at=2, **now)))
    cancelled(world, "1", told_at=3)

    assert [one.cancelled for one in before] == [2]
    assert [one.cancelled for one in rates(world)] == [1]


def test_rows_that_no_window_reaches_back_to_are_dropped(world: World) -> None:
    cancelled(world, "0")
    world.clock.move_to(world.clock.now() + oversell.KEPT_FOR)
    cancelled(world, "1")
    world.clock.move(1)
    with world.ledger.write() as session:
        oversell.forget(session, world.clock.now())

    assert world.rows("select count(*) from stock_cancellations") == [(1,)]


def test_positions_below_zero_count_while_they_are_with_the_pieces_that_lack(world: World) -> None:
    world.prepare(*world.tell(a_position("A", available=-3), a_position("B", available=-1), a_position("C", available=0)))
    with world.ledger.read() as session:
        before, worst = oversell.oversold(session), oversell.shortest(session, ["shopify"], 1)
    world.prepare(*world.tell(a_position("A", available=2, told_at=1)))
    with world.ledger.read() as session:
        after = oversell.oversold(session)

    assert before == [Oversold("shopify", 2, 4, more=False)]
    assert [(one.sku, one.location, one.available) for one in worst] == [("A", "berlin", -3)]
    assert after == [Oversold("shopify", 1, 1, more=False)]


def test_a_position_that_a_person_edited_is_below_zero_no_more(world: World) -> None:
    world.erp.refused["stock/shopify/A@berlin"] = Rejected("INVALID", "below zero", "tell what is there")
    world.prepare(*world.tell(a_position("A", available=-3)))
    world.work()
    edit(world.context, FailureKey("delivery", 1), Change((Setting.read("available=1"),)), Actor("anna", "counted"))

    with world.ledger.read() as session:
        assert oversell.oversold(session) == []
