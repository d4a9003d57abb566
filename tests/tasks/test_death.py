"""Workers that die, messages that get lost, brokers and ledgers that are away: nothing is lost, nothing doubled."""

from collections.abc import Iterator

import pytest
from sqlalchemy import event

from adapters.erps.memory import Crash
from ledger.actions import Actor
from ledger.failures import FailureKey
from routing.letters import Letter
from tasks.replay import retry
from tests.documents import a_shipment, an_order
from tests.tasks.world import World, a_world, queues_of
from workers.relay import LOST_AFTER, OVERDUE_AFTER, UNCONFIRMED_AFTER, Relay


class Killed(BaseException):
    """The process is gone, in the middle of whatever it did."""


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def die_while_posting(world: World, *, after_the_effect: bool) -> None:
    """Let the next posting end the worker, before or after the ERP took it."""
    world.erp.script.append(Crash(Killed(), after_the_effect))


def relay_of(world: World, ready: int = 0) -> Relay:
    """A relay whose broker tells ``ready`` messages of every queue."""
    return Relay(world.context, lambda lanes: dict.fromkeys(queues_of(world, lanes), ready))


def the_delivery(world: World) -> Letter:
    letter = world.tray.take()
    assert letter is not None
    return letter


def test_a_message_the_broker_never_confirmed_is_published_by_the_relay(world: World) -> None:
    world.tray.open = False
    receipts = world.tell(an_order())
    world.tray.open = True

    world.clock.move(UNCONFIRMED_AFTER.total_seconds() + 1)
    relay_of(world).sweep()
    world.work()

    assert len(receipts) == len(world.erp.effects) == 1


def test_deliveries_written_while_the_broker_is_away_go_out_later(world: World) -> None:
    world.tray.open = False
    world.prepare(*world.tell(an_order(), a_shipment()))
    world.tray.open = True

    world.clock.move(UNCONFIRMED_AFTER.total_seconds() + 1)
    relay_of(world).sweep()
    world.work()

    assert [e.operation for e in world.erp.effects] == ["order.create", "shipment.create"]


def test_a_broker_that_lost_everything_is_filled_again_from_the_ledger(world: World) -> None:
    world.prepare(*world.tell(an_order("1")))
    world.tell(an_order("2"))
    relay = relay_of(world)
    world.clock.move(UNCONFIRMED_AFTER.total_seconds() + 1)
    relay.sweep()
    assert world.tray.lose_all() == 2

    world.clock.move(LOST_AFTER.total_seconds() + 1)
    for _ in range(10):
        relay.sweep()
    world.work()

    assert sorted(e.key for e in world.erp.effects) == ["order/shopify/1", "order/shopify/2"]
    assert not world.erp.doubled


@pytest.mark.parametrize("answer", ["a message in every queue", "no answer"])
def test_what_waits_long_is_not_lost_while_its_queue_holds_messages_or_cannot_be_asked(world: World, answer: str) -> None:
    world.prepare(*world.tell(an_order("1")))
    world.tell(an_order("2"))
    asks_nobody = Relay(world.context, messages_in=lambda _: {})
    relay = relay_of(world, ready=1) if answer == "a message in every queue" else asks_nobody
    world.clock.move(UNCONFIRMED_AFTER.total_seconds() + 1)
    relay.sweep()

    world.clock.move(LOST_AFTER.total_seconds() + 1)
    published = [relay.sweep().published for _ in range(11)]

    assert published == [0] * 11


def test_of_a_queue_that_is_not_empty_the_ledger_is_not_asked_what_got_lost(world: World) -> None:
    asked: list[str] = []
    event.listen(world.ledger.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    relay_of(world, ready=1).sweep()
    with_messages = len(asked)
    asked.clear()
    relay_of(world, ready=0).sweep()

    # Its whole backlog stands in the ledger: 0.6 CPU seconds a look at a million rows.
    assert len(asked) - with_messages == len(queues_of(world, world.context.fleet.families))


@pytest.mark.parametrize("after_the_effect", [False, True])
def test_a_worker_that_died_while_posting_leaves_one_effect(world: World, after_the_effect: bool) -> None:
    world.prepare(*world.tell(an_order()))
    letter = the_delivery(world)
    die_while_posting(world, after_the_effect=after_the_effect)
    with pytest.raises(Killed):
        world.work_letter(letter)

    world.work_letter(letter)
    world.work()

    assert [e.operation for e in world.erp.effects] == ["order.create"]
    assert world.rows("select state, lost_claims from deliveries") == [("done", 1)]


def test_a_worker_that_died_and_whose_message_is_gone_is_found_by_the_relay(world: World) -> None:
    world.prepare(*world.tell(an_order()))
    letter = the_delivery(world)
    die_while_posting(world, after_the_effect=True)
    with pytest.raises(Killed):
        world.work_letter(letter)

    world.clock.move(60 + OVERDUE_AFTER.total_seconds())
    relay_of(world).sweep()
    world.work()

    assert len(world.erp.effects) == 1
    assert world.rows("select state from deliveries") == [("done",)]


def test_a_row_that_kills_every_worker_is_parked_as_poison_and_its_bundle_goes_on(world: World) -> None:
    world.erp.deadly["order/shopify/1"] = Killed()
    world.prepare(*world.tell(an_order("0"), an_order("1"), an_order("2")))

    deaths = 0
    while (letter := world.tray.take()) is not None:
        try:
            world.work_letter(letter)
        except Killed:
            deaths += 1
            world.work_letter(letter)

    assert world.rows("select business_key, state, failure_class from deliveries order by id") == [
        ("order/shopify/0", "done", None),
        ("order/shopify/1", "parked", "poison"),
        ("order/shopify/2", "done", None),
    ]
    assert deaths == world.context.topology.delivery_limit
    assert not world.erp.doubled


def test_a_second_message_for_a_row_that_is_worked_on_does_nothing(world: World) -> None:
    world.prepare(*world.tell(an_order()))
    letter = the_delivery(world)
    die_while_posting(world, after_the_effect=False)
    with pytest.raises(Killed):
        world.work_letter(letter)

    world.work_letter(letter)

    assert world.erp.effects == []
    assert world.rows("select state from deliveries") == [("claimed",)]


def test_retrying_twice_posts_once(world: World) -> None:
    from canonical.outcome import Rejected

    world.erp.script.append(Rejected("INVALID", "x", "y"))
    world.prepare(*world.tell(an_order()))
    world.work()
    key = FailureKey("delivery", 1)

    assert retry(world.context, [key, key], Actor("test", "")).retried == (key,)
    assert retry(world.context, [key], Actor("test", "")).retried == ()
    world.work()

    assert len(world.erp.effects) == 1


def test_an_event_whose_order_never_comes_is_parked_as_an_orphan(world: World) -> None:
    world.prepare(*world.tell(a_shipment()))
    world.clock.move(world.context.fleet.waits.early_s + 1)

    relay_of(world).sweep()

    assert world.rows("select state, failure_class from events") == [("parked", "orphan")]
