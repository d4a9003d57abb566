"""Many workers on one ledger: each event accepted once, each delivery claimed by one, nothing stranded."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import ledger.deliveries
import ledger.events
from canonical.document import DOMAIN_OF
from ledger.events import NewEvent
from tasks.prepare import prepare
from tests.documents import a_shipment, an_order
from tests.tasks.world import World, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_the_same_event_accepted_by_twenty_at_once_is_one_row(world: World) -> None:
    event = NewEvent("shopify", "same", "orders/create", "orders", "normal", {}, b"{}", "c", world.clock.now())

    def accept(_: int) -> bool:
        with world.ledger.write() as session:
            return ledger.events.accept(session, [event])[0].new

    with ThreadPoolExecutor(20) as crowd:
        answers = Counter(crowd.map(accept, range(20)))

    assert answers == {True: 1, False: 19}
    assert world.rows("select count(*) from events") == [(1,)]


def test_a_delivery_is_claimed_by_one_of_eight(world: World) -> None:
    world.prepare(*world.tell(*(an_order(str(n)) for n in range(10))))
    now = world.clock.now()

    def claim(worker: int) -> list[int]:
        with world.ledger.write() as session:
            until = now + timedelta(seconds=60)
            return [row.id for row in ledger.deliveries.claim(session, list(range(1, 11)), f"w{worker}", now, now, until)[0]]

    with ThreadPoolExecutor(8) as crowd:
        claimed = [row for rows in crowd.map(claim, range(8)) for row in rows]

    assert sorted(claimed) == list(range(1, 11))


def test_events_of_the_same_orders_prepared_side_by_side_strand_nothing(world: World) -> None:
    documents = [
        d for n in range(8) for d in (a_shipment(f"f{n}", order_key=str(n)), an_order(str(n)), an_order(str(n), told_at=5))
    ]
    new = [
        NewEvent(
            "shopify", f"e{i}", "told", DOMAIN_OF[d.kind], "normal", {}, d.model_dump_json().encode(), "c", world.clock.now()
        )
        for i, d in enumerate(documents)
    ]
    with world.ledger.write() as session:
        ids = [receipt.id for receipt in ledger.events.accept(session, new)]
    bundles = [ids[start::5] for start in range(5)]

    with ThreadPoolExecutor(5) as crowd:
        list(crowd.map(lambda bundle: prepare(world.context, bundle), bundles))
    world.work()

    assert world.rows("select count(*) from events where state in ('accepted', 'waiting')") == [(0,)]
    assert world.rows("select count(*) from deliveries where state <> 'done'") == [(0,)]
    made = [e.key for e in world.erp.effects if e.operation in ("order.create", "shipment.create")]
    assert sorted(made) == sorted({f"order/shopify/{n}" for n in range(8)} | {f"shipment/shopify/f{n}" for n in range(8)})
    assert not world.erp.doubled


def test_an_event_in_the_hands_of_a_dying_worker_is_waited_for_and_not_passed_over(world: World) -> None:
    [receipt] = world.tell(an_order())
    held, dies = threading.Event(), threading.Event()

    def die() -> None:
        with contextlib.suppress(ConnectionAbortedError), world.ledger.write() as session:
            ledger.events.load(session, [receipt.id])
            held.set()
            dies.wait(20)
            raise ConnectionAbortedError

    def take_over() -> int:
        with world.ledger.write() as session:
            return len(ledger.events.load(session, [receipt.id]))

    with ThreadPoolExecutor(2) as crowd:
        crowd.submit(die)
        assert held.wait(20)
        taken = crowd.submit(take_over)
        dies.set()

    assert taken.result() == 1
