"""Publishing to a real broker: confirmed, bounded under an alarm or a frozen broker, never unroutable into nothing."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from config.topology import load_topology
from routing.declare import declare
from routing.letters import Letter
from routing.publish import CONFIRM_WAIT_S, READ_TIMEOUT_S, BrokerPublisher
from routing.topology import build_topology
from telemetry import Name, bus
from tests.live import Rabbit, broker_api, wait_until
from workers.broker_alarm import BrokerAlarm
from workers.local.packages import program
from workers.local.rabbitmq import start_rabbitmq
from workers.local.service import Service

BOUND_S = CONFIRM_WAIT_S + 3 * READ_TIMEOUT_S


def a_letter(row: int, queue: str = "orders.normal", rung_s: int | None = None) -> Letter:
    return Letter(queue, "orders.prepare", (row,), f"event: {row}", rung_s=rung_s)


def declared(url: str) -> None:
    with Connection(url) as connection:
        declare(connection, build_topology(load_topology(), ["netsuite"]))


def take(url: str, queue: str) -> list[object]:
    """Every ready message, taken away."""
    with Connection(url) as connection:
        channel: Any = connection.channel()
        messages: list[object] = []
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            messages.append(message)
        return messages


@pytest.fixture
def publisher(rabbit: Rabbit) -> Iterator[BrokerPublisher]:
    declared(rabbit.url)
    made = BrokerPublisher(rabbit.url)
    yield made
    made.close()


def test_letters_are_confirmed_together_and_are_all_there(publisher: BrokerPublisher, rabbit: Rabbit) -> None:
    letters = [a_letter(n) for n in range(1, 201)]

    confirmed = publisher.publish(letters)

    assert confirmed == letters
    assert len(wait_until(lambda: take(rabbit.url, "orders.normal"))) == 200


def test_a_letter_on_a_rung_comes_back_to_its_queue(publisher: BrokerPublisher, rabbit: Rabbit) -> None:
    began = time.monotonic()
    publisher.publish([a_letter(1, rung_s=1)])

    assert take(rabbit.url, "orders.normal") == []
    wait_until(lambda: take(rabbit.url, "orders.normal"))
    assert 0.9 <= time.monotonic() - began < 5


def test_a_letter_for_a_queue_that_is_not_there_lands_in_unrouted(publisher: BrokerPublisher, rabbit: Rabbit) -> None:
    assert publisher.publish([a_letter(1, queue="nowhere.normal")])

    assert len(wait_until(lambda: take(rabbit.url, "unrouted"))) == 1


def test_a_missing_exchange_confirms_nothing_and_the_next_publish_works(rabbit: Rabbit) -> None:
    publisher = BrokerPublisher(rabbit.url)
    assert publisher.publish([a_letter(1)]) == []

    declared(rabbit.url)
    wait_until(lambda: publisher.publish([a_letter(2)]))
    publisher.close()


def test_a_broker_that_is_not_there_confirms_nothing_at_once() -> None:
    publisher = BrokerPublisher("amqp://nobody:nothing@127.0.0.1:1//")
    began = time.monotonic()

    assert publisher.publish([a_letter(1)]) == []
    assert publisher.publish([a_letter(1)]) == []

    assert time.monotonic() - began < BOUND_S


@pytest.fixture(scope="module")
def own_broker() -> Iterator[Service]:
    """A broker of this module's own: its faults must not touch the session's."""
    service = start_rabbitmq()
    yield service
    service.stop()


@pytest.mark.live
@pytest.mark.parametrize("trouble", ["alarm", "frozen"])
def test_a_broker_that_takes_nothing_is_given_up_in_bounded_time(own_broker: Service, trouble: str) -> None:
    declared(own_broker.url)
    publisher = BrokerPublisher(own_broker.url)
    assert publisher.publish([a_letter(1)])

    with in_trouble(own_broker, trouble):
        began = time.monotonic()
        assert publisher.publish([a_letter(2)]) == []
        took_s = time.monotonic() - began

    assert took_s < BOUND_S
    wait_until(lambda: publisher.publish([a_letter(3)]), deadline_s=30)
    publisher.close()


@pytest.mark.live
def test_the_relay_sees_an_alarm_come_and_go_and_tells_of_both_once(own_broker: Service) -> None:
    told: list[Name] = []
    bus.attach(
        "test", lambda event: told.append(event.name), wants={Name.BROKER_ALARM_SEEN: None, Name.BROKER_ALARM_CLEARED: None}
    )
    alarm = BrokerAlarm(f"{own_broker.console_url}/api/")
    before = alarm.look()

    with in_trouble(own_broker, "alarm"):
        seen = wait_until(alarm.look, 20)
        again = alarm.look()
    wait_until(lambda: not alarm.look(), 20)
    bus.detach("test")
    alarm.close()

    assert before == ""
    assert seen == again == "an alarm of memory or disk is in effect"
    assert told == [Name.BROKER_ALARM_SEEN, Name.BROKER_ALARM_CLEARED]


def test_a_broker_that_is_not_there_is_an_alarm_too() -> None:
    alarm = BrokerAlarm("http://nobody:canary@127.0.0.1:1/api/")

    assert alarm.look() == "its management API does not answer"
    alarm.close()


class in_trouble:  # noqa: N801  reads as a sentence in the with statement
    """A broker under a memory alarm, or one whose process stands still."""

    def __init__(self, broker: Service, trouble: str) -> None:
        self._begin, self._end = (self._alarm, self._calm) if trouble == "alarm" else (self._freeze, self._thaw)
        self._broker = broker

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, *_: object) -> None:
        self._end()

    def _freeze(self) -> None:
        os.kill(self._broker.pid, signal.SIGSTOP)

    def _thaw(self) -> None:
        os.kill(self._broker.pid, signal.SIGCONT)

    def _alarm(self) -> None:
        self._watermark("0.00000001")
        wait_until(self._alarmed, 20)

    def _calm(self) -> None:
        self._watermark("0.6")
        wait_until(lambda: not self._alarmed(), 20)

    def _watermark(self, share: str) -> None:
        control(self._broker, "set_vm_memory_high_watermark", share)

    def _alarmed(self) -> bool:
        nodes = broker_api(self._broker.console_url, "GET", "/api/nodes")
        assert isinstance(nodes, list)
        return bool(nodes[0].get("mem_alarm"))


def control(broker: Service, *words: str) -> None:
    """Tell a private broker something, as its operator would: in the environment that it runs in."""
    stored = Path(f"/proc/{broker.pid}/environ").read_bytes().split(b"\0")
    environment = dict(pair.decode().split("=", 1) for pair in stored if b"=" in pair)
    command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "--node", environment["RABBITMQ_NODENAME"], *words]
    if not Path(command[0]).exists():
        command[0] = program("rabbitmqctl")
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
