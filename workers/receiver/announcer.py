"""Runs the word to the workers: what one commit made durable is published as bundles, with confirms, beside the requests.

Nobody waits for it. A broker that is down, blocked, full or silent costs a row five seconds: then the relay publishes it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pika  # type: ignore[import-untyped]  # pika ships no types
from pika.adapters.asyncio_connection import AsyncioConnection  # type: ignore[import-untyped]  # as above
from pika.exceptions import AMQPError  # type: ignore[import-untyped]  # as above

from ledger.events import NewEvent, Receipt
from routing.letters import Letter, new_task_id, prepare_letters
from routing.names import CLASSES
from telemetry import Name, emit

MOST_UNCONFIRMED = 500
RECONNECT_S = 2.0
_CONNECT_S = 3.0
_HEARTBEAT_S = 20


@dataclass(slots=True)
class _Link:
    """One connection's life: what was sent on it and not confirmed yet."""

    connection: AsyncioConnection
    channel: Any = None
    blocked: bool = False
    sent: int = 0
    unconfirmed: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    returned: set[str] = field(default_factory=set)


class Announcer:
    """Publishes the rows of each commit. Belongs to one event loop; ``confirmed`` is told the rows the broker took."""

    def __init__(self, broker_url: str, confirmed: Callable[[Sequence[int]], None], loop: asyncio.AbstractEventLoop) -> None:
        self._parameters = pika.URLParameters(broker_url)
        self._parameters.heartbeat = _HEARTBEAT_S
        self._parameters.socket_timeout = _CONNECT_S
        self._parameters.stack_timeout = 2 * _CONNECT_S
        self._parameters.connection_attempts = 1
        self._confirmed = confirmed
        self._loop = loop
        self._link: _Link | None = None
        self._again: asyncio.TimerHandle | None = None
        self._closing = False
        self._settled = asyncio.Event()

    @property
    def state(self) -> str:
        """``up``, ``blocked`` (the broker's alarm) or ``down``."""
        link = self._link
        if link is None or link.channel is None:
            return "down"
        return "blocked" if link.blocked else "up"

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        connection = AsyncioConnection(
            self._parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_lost,
            on_close_callback=self._on_lost,
            custom_ioloop=self._loop,
        )
        self._link = _Link(connection)

    def announce(self, events: Sequence[NewEvent], receipts: Sequence[Receipt]) -> None:
        """Publish the new rows that somebody works on; a bundle for each domain and class. Returns at once."""
        groups: dict[tuple[str, str], list[int]] = {}
        since = int(min((event.received_at for event in events), default=datetime.now(UTC)).timestamp())
        for event, receipt in zip(events, receipts, strict=True):
            if receipt.new and event.domain is not None:
                groups.setdefault((event.domain, event.cls), []).append(receipt.id)
        for (domain, told), ids in groups.items():
            cls = next(known for known in CLASSES if known == told)
            for letter in prepare_letters(domain, cls, ids, since=since):
                self._publish(letter)

    async def close(self, within_s: float) -> None:
        """Wait for the last confirms, then leave; neither takes longer than ``within_s`` together."""
        self._closing = True
        if self._again is not None:
            self._again.cancel()
        link = self._link
        if link is None or link.channel is None:
            return
        try:
            async with asyncio.timeout(within_s):
                while link.unconfirmed and self._link is link:
                    self._settled.clear()
                    await self._settled.wait()
                if link.connection.is_open:
                    link.connection.close()
                while self._link is link:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            emit(Name.PUBLISH_BATCH_FAILED, count=len(link.unconfirmed), stage="close")

    def _publish(self, letter: Letter) -> None:
        link = self._link
        if link is None or link.channel is None or link.blocked or len(link.unconfirmed) >= MOST_UNCONFIRMED:
            return
        task_id = new_task_id()
        properties = pika.BasicProperties(
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            message_id=task_id,
            correlation_id=task_id,
            headers=letter.headers(task_id),
        )
        link.sent += 1
        link.unconfirmed[link.sent] = (task_id, letter.rows)
        try:
            link.channel.basic_publish(letter.exchange, letter.queue, letter.body(), properties, mandatory=True)
        except AMQPError as error:
            del link.unconfirmed[link.sent]
            emit(Name.PUBLISH_BATCH_FAILED, queue=letter.queue, count=len(letter.rows), stage="publish", error=error)

    def _on_open(self, connection: AsyncioConnection) -> None:
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        link = self._link
        if link is None:
            return
        channel.add_on_return_callback(lambda _c, _m, properties, _b: link.returned.add(properties.message_id))
        channel.add_on_close_callback(lambda _c, _reason: self._drop_channel(link))
        channel.confirm_delivery(
            lambda frame: self._on_settled(link, frame.method), callback=lambda _ok: setattr(link, "channel", channel)
        )

    def _on_settled(self, link: _Link, method: Any) -> None:
        """A confirm or a refusal; a refused or returned message's rows stay unpublished."""
        tags = [t for t in link.unconfirmed if t <= method.delivery_tag] if method.multiple else [method.delivery_tag]
        taken = [link.unconfirmed.pop(tag) for tag in tags if tag in link.unconfirmed]
        if method.NAME == "Basic.Ack":
            rows = [row for task_id, rows in taken if task_id not in link.returned for row in rows]
            if rows:
                self._confirmed(rows)
        link.returned.difference_update(task_id for task_id, _ in taken)
        self._settled.set()

    def _on_blocked(self, *_: object) -> None:
        if self._link is not None:
            self._link.blocked = True

    def _on_unblocked(self, *_: object) -> None:
        if self._link is not None:
            self._link.blocked = False

    def _drop_channel(self, link: _Link) -> None:
        # The broker closes a channel for one bad publish (a missing exchange); the next connection starts clean.
        link.channel = None
        if link.connection.is_open:
            link.connection.close()

    def _on_lost(self, _connection: Any, reason: BaseException) -> None:
        lost = self._link
        self._link = None
        self._settled.set()
        if not self._closing:
            emit(Name.BROKER_CONNECTION_LOST, role="receiver", count=len(lost.unconfirmed) if lost else 0, error=reason)
            self._again = self._loop.call_later(RECONNECT_S, self.start)
