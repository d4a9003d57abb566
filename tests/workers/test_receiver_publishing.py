"""What the workers are told: every committed row once, in bundles; and that a broker never decides about an accept."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from kombu import Connection
from sqlalchemy import text

from config.fleet import load_fleet
from config.settings import DEFAULT_FLEET
from config.topology import load_topology
from ledger.session import Ledger
from routing import declare
from routing.letters import MOST_ROWS
from routing.topology import build_topology
from tests.live import Rabbit, broker_api, wait_until
from tests.workers.receiver_process import Running, receiver
from tests.workers.test_receiver_commits import held, waiting

BODY = b'{"id": 1}'


@pytest.fixture
def topology(broker_url: str) -> str:
    """A vhost with the queues of the default fleet."""
    fleet = load_fleet(DEFAULT_FLEET)
    with Connection(broker_url) as connection:
        declare.declare(connection, build_topology(load_topology(), fleet.targets))
    return broker_url


def published(ledger_url: str) -> dict[int, bool]:
    ledger = Ledger(ledger_url)
    with ledger.read() as session:
        found = session.execute(text("SELECT id, published_at FROM events")).all()
    ledger.close()
    return {int(row[0]): row[1] is not None for row in found}


def messages(broker_url: str, queue: str) -> list[Any]:
    """Every message of a queue, acknowledged."""
    found = []
    with Connection(broker_url) as connection:
        channel: Any = connection.channel()
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            found.append(message)
    return found


def broker_is(running: Running, state: str) -> None:
    wait_until(lambda: running.ask("GET", "/ready").json()["broker"] == state, 15, f"broker {state}")


@contextmanager
def silent_broker() -> Iterator[str]:
    """A broker that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"amqp://guest:guest@127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)
        for link in taken:
            link.close()


def test_committed_rows_are_published_as_celery_tasks_and_noted(ledger_url: str, topology: str) -> None:
    with receiver(ledger_url, topology) as running:
        broker_is(running, "up")
        order = running.post(BODY, "o1").json()["id"]
        urgent = running.post(BODY, "o2", "orders/cancelled").json()["id"]
        refund = running.post(BODY, "r1", "refunds/create").json()["id"]
        running.post(BODY, "k1", "products/update")

        wait_until(lambda: sum(published(ledger_url).values()) == 3, 15, "three rows published")

    queues = {"orders.normal": order, "orders.high": urgent, "returns.normal": refund}
    for queue, row in queues.items():
        (message,) = messages(topology, queue)
        assert json.loads(message.body) == [[[row]], {}, {}]
        assert message.headers["task"] == f"{queue.partition('.')[0]}.prepare"
        assert message.properties["delivery_mode"] == 2


def test_what_was_committed_together_travels_together(postgres_url: str, topology: str) -> None:
    with receiver(postgres_url, topology) as running, ThreadPoolExecutor(64) as senders:
        broker_is(running, "up")
        with held(postgres_url) as let_go:
            answers = [senders.submit(running.post, BODY, f"e{n}") for n in range(64)]
            wait_until(lambda: waiting(running) == 64, 15, "64 requests waiting")
            let_go()
            ids = {a.result().json()["id"] for a in answers}
        wait_until(lambda: all(published(postgres_url).values()), 15, "all rows published")

    bundles = [json.loads(m.body)[0][0] for m in messages(topology, "orders.normal")]
    assert {row for bundle in bundles for row in bundle} == ids
    assert sum(len(bundle) for bundle in bundles) == 64
    assert len(bundles) <= 4
    assert max(len(bundle) for bundle in bundles) <= MOST_ROWS


def test_a_duplicate_is_not_published_again(sqlite_url: str, topology: str) -> None:
    with receiver(sqlite_url, topology) as running:
        broker_is(running, "up")
        for _ in range(3):
            assert running.post(BODY, "again").status == 200
        wait_until(lambda: all(published(sqlite_url).values()), 15, "the row published")

    assert len(messages(topology, "orders.normal")) == 1


def test_without_a_broker_events_are_accepted_and_left_to_the_relay(sqlite_url: str) -> None:
    with receiver(sqlite_url) as running:
        assert running.post(BODY, "e").status == 200
        assert running.ask("GET", "/ready").status == 200

    assert list(published(sqlite_url).values()) == [False]


def test_a_broker_that_never_answers_delays_no_accept_and_no_end(sqlite_url: str) -> None:
    with silent_broker() as url, receiver(sqlite_url, url) as running:
        began = time.monotonic()
        assert running.post(BODY, "e").status == 200
        assert time.monotonic() - began < 5

        running.process.terminate()
        assert running.process.wait(15) == 0
    assert list(published(sqlite_url).values()) == [False]


def test_a_lost_connection_is_opened_again(sqlite_url: str, topology: str, rabbit: Rabbit) -> None:
    with receiver(sqlite_url, topology) as running:
        broker_is(running, "up")
        end_connections(rabbit)
        broker_is(running, "down")
        assert running.post(BODY, "during").status == 200
        broker_is(running, "up")
        after = running.post(BODY, "after").json()["id"]
        wait_until(lambda: published(sqlite_url)[after], 15, "the later row published")


def test_a_message_without_a_queue_is_not_taken_for_published(sqlite_url: str, broker_url: str) -> None:
    with receiver(sqlite_url, broker_url) as running:
        broker_is(running, "up")
        # This vhost has no exchange at all: the broker closes the channel for the first publish.
        assert running.post(BODY, "nowhere").status == 200
        broker_is(running, "down")
        assert running.post(BODY, "nowhere either").status == 200

    assert list(published(sqlite_url).values()) == [False, False]


def end_connections(rabbit: Rabbit) -> None:
    """Close every connection of the vhost from the broker's side."""

    def names() -> list[str]:
        found = broker_api(rabbit.api_url, "GET", f"/api/vhosts/{rabbit.vhost}/connections")
        return [str(c["name"]) for c in found] if isinstance(found, list) else []

    for name in wait_until(names, 15, "the broker's list of connections"):
        broker_api(rabbit.api_url, "DELETE", f"/api/connections/{name}")
