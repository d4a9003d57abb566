"""The table of RabbitMQ users in docs/operate.md: each user can do its work, and not another's."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import AccessRefused
from celery import Celery
from kombu import Connection

from config.settings import DEFAULT_FLEET, load_settings
from ledger import migrate
from ledger.session import Ledger
from routing.declare import declare
from routing.letters import Letter, prepare_letters
from routing.publish import BrokerPublisher
from routing.topology import Topology
from tests.docs.pages import page
from tests.live import Rabbit, broker_api, wait_until
from workers.roles import topology_of

LETTERS = [*prepare_letters("orders", "high", [1]), Letter("deliver.sandbox.orders.high", "deliver", (1,), "x", rung_s=1)]
UrlOf = Callable[[str], str]


def rights() -> dict[str, dict[str, str]]:
    """The table: configure, write and read of each user."""
    table: dict[str, dict[str, str]] = {}
    for user, *cells, _ in page("docs/operate.md").table("Users"):
        told = [cell.strip("`").replace("\\|", "|") for cell in cells]
        table[user] = dict(zip(("configure", "write", "read"), [c if c != "the same" else told[0] for c in told], strict=True))
    return table


@pytest.fixture
def topology() -> Topology:
    return topology_of(load_settings({}, fleet_file=DEFAULT_FLEET))


@pytest.fixture
def url_of(rabbit: Rabbit, topology: Topology) -> Iterator[UrlOf]:
    """URL of a user of the table; the vhost has the topology, declared by the topology user."""
    with users(rabbit) as found:
        with Connection(found("topology")) as connection:
            assert {finding.state for finding in declare(connection, topology)} == {"declared"}
        yield found


@contextmanager
def users(rabbit: Rabbit) -> Iterator[UrlOf]:
    names = {user: f"{rabbit.vhost}-{user}" for user in rights()}
    place = rabbit.url.rpartition("@")[2]
    for user, name in names.items():
        tags = "monitoring" if user in ("flower", "monitor") else ""
        broker_api(rabbit.api_url, "PUT", f"/api/users/{name}", {"password": "test", "tags": tags})
        broker_api(rabbit.api_url, "PUT", f"/api/permissions/{rabbit.vhost}/{name}", rights()[user])
    try:
        yield lambda user: f"amqp://{names[user]}:test@{place}"
    finally:
        for name in names.values():
            broker_api(rabbit.api_url, "DELETE", f"/api/users/{name}")


@pytest.mark.parametrize("user", ["publisher", "worker"])
def test_who_publishes_may_publish(url_of: UrlOf, user: str) -> None:
    publisher = BrokerPublisher(url_of(user))

    assert publisher.publish(LETTERS) == LETTERS
    publisher.close()


@pytest.mark.parametrize("user", ["recorder", "flower", "monitor"])
def test_who_does_not_publish_may_not(url_of: UrlOf, user: str) -> None:
    publisher = BrokerPublisher(url_of(user))

    assert publisher.publish(LETTERS) == []
    publisher.close()


def test_the_publisher_may_ask_how_full_a_queue_is(url_of: UrlOf) -> None:
    with Connection(url_of("publisher")) as connection:
        channel: Any = connection.channel()
        assert channel.queue_declare("orders.high", passive=True).message_count == 0


def test_the_recorder_may_read_the_dead_and_nothing_else(url_of: UrlOf, topology: Topology) -> None:
    with Connection(url_of("recorder")) as connection:
        channel: Any = connection.channel()
        for queue in (*topology.dead_queues, "unrouted"):
            channel.basic_consume(queue)
        with pytest.raises(AccessRefused):
            channel.basic_consume("orders.high")


@pytest.mark.parametrize("user", ["publisher", "worker", "recorder", "flower", "monitor"])
def test_only_the_topology_user_may_make_a_queue_of_the_fleet(url_of: UrlOf, user: str) -> None:
    with Connection(url_of(user)) as connection:
        channel: Any = connection.channel()
        with pytest.raises(AccessRefused):
            channel.queue_declare("orders.urgent", durable=True)


def test_a_worker_works_and_flower_reaches_it(url_of: UrlOf, tmp_path: Path, sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    migrate.upgrade(ledger)
    ledger.close()
    ready = tmp_path / "ready"
    secrets = {f"MILLRACE_SECRET_{name}": "whsec_eHh4eHh4eHg=" for name in ("SHOPIFY", "OPEN", "SANDBOX")}
    variables = {"MILLRACE_BROKER_URL": url_of("worker"), "MILLRACE_LEDGER_URL": sqlite_url} | secrets
    command = [str(Path(sys.executable).with_name("millrace")), "worker", "deliver", "--ready-file", str(ready)]
    flower = Celery("flower", broker=url_of("flower"), set_as_current=False)
    flower.conf.update(control_queue_exclusive=True, event_queue_exclusive=True)
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, env=os.environ | variables, stderr=log) as worker:
        try:
            wait_until(ready.exists, 60, "the worker's start")
            answer: Any = wait_until(lambda: flower.control.inspect(timeout=2).ping(), 20, "the worker's answer")
        finally:
            worker.terminate()

    assert [list(said) for said in answer.values()] == [["ok"]]
    flower.close()
