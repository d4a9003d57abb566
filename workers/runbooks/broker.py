"""Runs looks at the broker over AMQP alone: does it take messages, who consumes a lane, what stands in a queue."""

import contextlib
import time
from collections.abc import Iterable
from typing import Any

from amqp import Message
from amqp.exceptions import AMQPError, NotFound
from kombu import Connection
from kombu.exceptions import OperationalError

from config.topology import load_topology
from routing import names

WAIT_S = 3.0
AWAY = (OSError, AMQPError, OperationalError)


class BrokerLook:
    """Looks, each time on a connection of its own: under an alarm a connection that published is held."""

    def __init__(self, url: str) -> None:
        self._url = url

    def answers(self) -> bool:
        """Whether it can be connected to."""
        try:
            with self._connection() as connection:
                connection.connect()
                return True
        except AWAY:
            return False

    def takes_messages(self) -> bool:
        """Whether messages are confirmed in time. They have no queue to go to, so the broker forgets them.

        Two, one after the other: under an alarm of memory or disk the broker stops to read a connection after its first one.
        """
        connection = self._connection()
        try:
            connection.connect()
            channel: Any = connection.channel()
            confirmed: list[int] = []
            channel.confirm_select()
            channel.events["basic_ack"].add(lambda tag, multiple: confirmed.append(tag))  # noqa: ARG005  the broker's form
            return all(self._confirmed(connection, channel, confirmed) for _ in range(2))
        except AWAY:
            return False
        finally:
            self._drop(connection)

    def consumers(self, lanes: Iterable[str]) -> int | None:
        """Consumers on the work queues of these lanes; None if the broker does not answer."""
        told = self._told([names.queue(f, cls) for lane in lanes for f in _families(lane) for cls in names.CLASSES])
        return None if told is None else sum(consumers for _, consumers in told)

    def ready(self, queues: Iterable[str]) -> int | None:
        """Messages that stand ready in queues; None if the broker does not answer."""
        told = self._told(list(queues))
        return None if told is None else sum(messages for messages, _ in told)

    def _confirmed(self, connection: Connection, channel: Any, confirmed: list[int]) -> bool:
        before = len(confirmed)
        channel.basic_publish(Message(b"", delivery_mode=1), exchange="", routing_key="millrace.look")
        ends = time.monotonic() + WAIT_S
        while len(confirmed) == before and time.monotonic() < ends:
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=max(0.05, ends - time.monotonic()))
        return len(confirmed) > before

    def _told(self, queues: list[str]) -> list[tuple[int, int]] | None:
        found = []
        try:
            with self._connection() as connection:
                for queue in queues:
                    channel: Any = connection.channel()
                    with contextlib.suppress(NotFound):
                        told = channel.queue_declare(queue, passive=True)
                        found.append((int(told.message_count), int(told.consumer_count)))
                        channel.close()
        except AWAY:
            return None
        return found

    def _connection(self) -> Connection:
        bounded = {"read_timeout": WAIT_S, "write_timeout": WAIT_S, "max_retries": 0}
        return Connection(self._url, connect_timeout=WAIT_S, heartbeat=0, transport_options=bounded)

    def _drop(self, connection: Connection) -> None:
        # Without a goodbye, which a broker that holds the connection does not answer.
        with contextlib.suppress(*AWAY):
            if connection.connected:
                connection.connection.collect()


def _families(lane: str) -> tuple[str, ...]:
    return names.families_of(lane, load_topology().domains)
