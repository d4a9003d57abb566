"""Decides when a message counts as published: only when the broker confirmed it, many messages by one wait."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

from kombu import Connection

from routing.letters import Letter, new_task_id

READ_TIMEOUT_S = 3.0
CONFIRM_WAIT_S = 8.0
BACK_OFF_S = 1.0


class Publisher(Protocol):
    """Where letters go: returns those that are safe."""

    def publish(self, letters: Sequence[Letter]) -> list[Letter]:
        """Publish and wait; returns the confirmed ones. Never raises for what a broker can do."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class BrokerPublisher:
    """Publishes letters with confirms over one connection of its own; thread-safe; opened at first use.

    A letter that is not confirmed may still have landed (the broker's memory alarm holds it, then takes it): callers
    keep the row unpublished, publish again later, and workers tell the second one by its row.
    """

    def __init__(self, broker_url: str) -> None:
        """``broker_url`` is ``amqp://`` or ``amqps://``."""
        self._url = broker_url
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None
        self._sent = 0
        self._open: set[int] = set()
        self._refused: set[int] = set()
        self._closed_until = 0.0

    def publish(self, letters: Sequence[Letter]) -> list[Letter]:
        """Publish and wait; returns the confirmed ones. A broker out of reach or blocked confirms none, in bounded time."""
        if not letters:
            return []
        with self._lock:
            if time.monotonic() < self._closed_until:
                return []
            try:
                return self._publish(letters)
            except self._failures():
                self._drop()
                self._closed_until = time.monotonic() + BACK_OFF_S
                return []

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _publish(self, letters: Sequence[Letter]) -> list[Letter]:
        channel = self._channel or self._connect()
        tags: dict[int, Letter] = {}
        for letter in letters:
            tag = self._send(channel, letter)
            tags[tag] = letter
        deadline = time.monotonic() + CONFIRM_WAIT_S
        while self._open and time.monotonic() < deadline:
            channel.connection.drain_events(timeout=max(0.01, deadline - time.monotonic()))
        confirmed = [letter for tag, letter in tags.items() if tag not in self._open and tag not in self._refused]
        if self._open:
            self._drop()
        return confirmed

    def _send(self, channel: Any, letter: Letter) -> int:
        task_id = new_task_id()
        message = channel.prepare_message(
            letter.body(),
            content_type="application/json",
            content_encoding="utf-8",
            headers=letter.headers(task_id),
            properties={"delivery_mode": 2, "correlation_id": task_id, "message_id": task_id},
        )
        self._sent += 1
        self._open.add(self._sent)
        channel.basic_publish(message, exchange=letter.exchange, routing_key=letter.queue, mandatory=True)
        return self._sent

    def _connect(self) -> Any:
        self._connection = Connection(
            self._url,
            connect_timeout=READ_TIMEOUT_S,
            heartbeat=0,
            transport_options={"read_timeout": READ_TIMEOUT_S, "write_timeout": READ_TIMEOUT_S, "max_retries": 0},
        )
        self._connection.connect()
        channel: Any = self._connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        self._channel, self._sent, self._open, self._refused = channel, 0, set(), set()
        return channel

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        self._open -= self._settled(delivery_tag, multiple)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        settled = self._settled(delivery_tag, multiple)
        self._open -= settled
        self._refused |= settled

    def _settled(self, delivery_tag: int, multiple: bool) -> set[int]:
        return {tag for tag in self._open if tag <= delivery_tag} if multiple else {delivery_tag}

    def _failures(self) -> tuple[type[BaseException], ...]:
        known = self._connection
        if known is None:
            return (OSError,)
        return (*known.connection_errors, *known.channel_errors, OSError)

    def _drop(self) -> None:
        # The socket is closed without a goodbye, which a blocked broker does not answer.
        if self._connection is not None and self._connection.connected:
            self._connection.connection.collect()
        self._connection, self._channel, self._open, self._refused = None, None, set(), set()
