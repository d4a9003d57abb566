"""The recorder on a real broker: what the broker gave up on is filed, the rows it named are parked, nothing stops it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from kombu import Connection

from config.topology import load_topology
from ledger.desk import Filter, listed
from routing.declare import declare
from routing.letters import Letter
from routing.publish import BrokerPublisher
from routing.topology import Topology, build_topology
from tests.documents import an_order
from tests.live import Rabbit, wait_until
from tests.tasks.world import TARGET, World, a_world
from workers.recorder import Recorder

GARBAGE = [b"", b"\xff\xfe", b"{", b"[1,2]", b'{"a":1}', b"null", b"[[[true]],{},{}]", b"[[[1e400]],{},{}]", b"[" * 5_000]


@pytest.fixture
def topology(rabbit: Rabbit) -> Topology:
    made = build_topology(load_topology(), [TARGET])
    with Connection(rabbit.url) as connection:
        declare(connection, made)
    return made


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


@contextmanager
def recording(world: World, rabbit: Rabbit, topology: Topology) -> Iterator[None]:
    stop = threading.Event()
    recorder = Recorder(world.context, rabbit.url, (*topology.dead_queues, "unrouted"))
    thread = threading.Thread(target=recorder.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def refuse(rabbit: Rabbit, queue: str) -> None:
    """Take one message and reject it, as a worker does that cannot read it."""
    with Connection(rabbit.url) as connection:
        channel: Any = connection.channel()
        message = wait_until(lambda: channel.basic_get(queue, no_ack=False))
        channel.basic_reject(message.delivery_tag, requeue=False)


def test_a_dead_letter_parks_the_event_it_names(world: World, rabbit: Rabbit, topology: Topology) -> None:
    [receipt] = world.tell(an_order())
    publisher = BrokerPublisher(rabbit.url)
    publisher.publish([Letter("orders.normal", "orders.prepare", (receipt.id,), "event")])
    refuse(rabbit, "orders.normal")

    with recording(world, rabbit, topology):
        wait_until(lambda: world.rows("select 1 from events where state = 'parked'"))

    assert world.rows("select failure_class, failure_code from events") == [("defect", "dead.rejected")]
    assert world.rows("select family, queue, reason, task from dead_letters") == [
        ("orders", "orders.normal", "rejected", "orders.prepare")
    ]
    publisher.close()


def test_a_dead_letter_parks_the_delivery_and_keeps_its_doubt(world: World, rabbit: Rabbit, topology: Topology) -> None:
    world.prepare(*world.tell(an_order()))
    letter = world.tray.take()
    assert letter is not None
    publisher = BrokerPublisher(rabbit.url)
    publisher.publish([replace(letter, rung_s=None)])
    refuse(rabbit, letter.queue)

    with recording(world, rabbit, topology):
        wait_until(lambda: world.rows("select 1 from deliveries where state = 'parked'"))

    ((uncertain,),) = world.rows("select uncertain from deliveries")
    assert uncertain
    publisher.close()


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_in_a_dead_queue_is_filed_and_shown(world: World, rabbit: Rabbit, topology: Topology, body: bytes) -> None:
    with Connection(rabbit.url) as connection:
        channel: Any = connection.channel()
        message = channel.prepare_message(body, content_type="application/json", headers={"task": 7})
        channel.basic_publish(message, exchange="dead", routing_key="dead.orders")

    with recording(world, rabbit, topology):
        wait_until(lambda: world.rows("select 1 from dead_letters"))

    with world.ledger.read() as session:
        [shown] = listed(session, (), Filter(), world.clock.now(), 10)
    assert str(shown.key) == "m1"
    assert shown.cls == "malformed"


def test_what_was_published_to_nowhere_is_filed_too(world: World, rabbit: Rabbit, topology: Topology) -> None:
    [receipt] = world.tell(an_order())
    publisher = BrokerPublisher(rabbit.url)
    publisher.publish([Letter("orders.urgent", "orders.prepare", (receipt.id,), "event")])

    with recording(world, rabbit, topology):
        wait_until(lambda: world.rows("select 1 from events where state = 'parked'"))

    assert world.rows("select reason from dead_letters") == [("unrouted",)]
    publisher.close()
