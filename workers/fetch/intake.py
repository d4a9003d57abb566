"""Runs the broker's side of fetching: one channel, a consumer for each queue, a small buffer behind each."""

import json
import logging
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from amqp import Message as RawMessage
from amqp.exceptions import AMQPError, NotFound

from routing import names
from routing.letters import MOST_ROWS, new_task_id
from telemetry import Name, emit
from workers.fetch.delivered import BACK_HEADER, Delivered
from workers.fetch.reading import fault_of_body, fault_of_envelope

_log = logging.getLogger(__name__)

PUBLISH_WAIT_S = 5.0
_RECENT = 0.2
"""Part of the newest message in the mean of the rows that messages hold."""

_LOOKED_AT = MOST_ROWS
"""Messages at the head of a queue's buffer that a part is gathered from: of one row each they fill one."""

SUSPECT_AFTER = 2
"""A message that came back so often runs alone where a crash takes the whole process: its neighbours must not die with it."""


@dataclass(slots=True)
class _Consumer:
    """One consumer of a queue: how many messages it may have here without an answer, and has."""

    queue: str
    prefetch: int
    here: int = 0
    tag: str = ""

    def answered(self) -> None:
        """One of its messages has its answer: the broker may send another."""
        self.here -= 1


class Intake:
    """Buffers of messages held unacknowledged. Used by the thread that owns the connection and by no other.

    ``arrived`` is called after each good message; a bad one is rejected to the dead-letter exchange here, before Celery
    sees it.
    """

    def __init__(
        self,
        connection: Any,
        known_tasks: Container[str],
        *,
        clock: Callable[[], float],
        arrived: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._known_tasks = known_tasks
        self._clock = clock
        self._arrived = arrived
        self._channel = connection.channel()
        self._consumers: dict[str, list[_Consumer]] = {}
        self._count = 0
        self.buffers: dict[str, deque[Delivered]] = {}
        self.suspects: list[Delivered] = []
        self._rows_each: dict[str, float] = {}

    @property
    def consumed(self) -> tuple[str, ...]:
        """Queues with a consumer now."""
        return tuple(self._consumers)

    def consume(self, queue: str, prefetch: int) -> bool:
        """Begin to consume, or go on with another prefetch. False if the broker does not have the queue.

        Only a queue that is `complete` goes on with less. With more it goes on anyway: where messages are on their way a
        consumer for what is added stands beside the first.
        """
        if not self._exists(queue):
            _log.error("queue %s does not exist: nothing is fetched from it until `millrace topology declare`", queue)
            return False
        if queue in self._consumers and not self.complete(queue):
            prefetch -= sum(one.prefetch for one in self._consumers[queue])
        else:
            self.cancel(queue)
        if prefetch > 0:
            self._add(_Consumer(queue, prefetch))
        return True

    def complete(self, queue: str) -> bool:
        """Whether all that its consumers may have here is here, so that nothing is on its way: then they may end unnoticed.

        A quorum queue takes back what is on its way to a consumer that ends, and counts it as delivered
        (RabbitMQ, ``rabbit_fifo_client``, its issue 3729): a message could be dead-lettered that never ran.
        """
        return all(one.here >= one.prefetch for one in self._consumers.get(queue, ()))

    def cancel(self, queue: str) -> None:
        """Take the consumers away; what is buffered stays here."""
        for consumer in self._consumers.pop(queue, ()):
            self._channel.basic_cancel(consumer.tag)

    def rows_each(self, queue: str) -> float:
        """Rows a message of the queue holds in the mean of the last ones; the most it may hold before any has come."""
        return self._rows_each.get(queue, MOST_ROWS)

    def head(self, queue: str, may: Callable[[str], bool] = lambda _: True) -> Delivered | None:
        """The first buffered message of a queue that has rows waiting and whose operation ``may`` go; what has none left
        leaves the buffer.
        """
        held = self.buffers.get(queue)
        while held and not held[0].waiting:
            self._forget_one(held.popleft())
        if not held or may(held[0].operation):
            return held[0] if held else None
        for message in [one for one in held if not one.waiting]:
            held.remove(message)
            self._forget_one(message)
        return next((one for one in held if may(one.operation)), None)

    def step_back(self, queue: str, most: int) -> int:
        """Publish up to ``most`` of the buffered messages anew, at the queue's end, to see what stands behind them; returns
        how many. Nothing is done while more may still come without that.
        """
        if not self.complete(queue):
            return 0
        held = [one for one in self.buffers.get(queue, ()) if one.waiting][:most]
        for count, message in enumerate(held):
            if not self._step_back(message, [message.left]):
                return count
        return len(held)

    def behind(self, head: Delivered) -> list[Delivered]:
        """Buffered messages behind a queue's head whose rows may go out with its own, in their order."""
        if not head.fresh:
            return []
        held = islice(self.buffers[head.queue], _LOOKED_AT)
        return [one for one in held if one is not head and one.waiting and head.goes_with(one)]

    def hand_back(self, queue: str) -> int:
        """Cancel the consumer and give what is buffered back to the queue's head; returns how many messages.

        A message of which something runs follows when that has its end.
        """
        self.cancel(queue)
        held = self._drop(queue)
        for message in held:
            message.give_back(self._give_back)
        return len(held)

    def scatter(self, message: Delivered) -> bool:
        """Publish each waiting row of a message alone in place of it, so that one that kills shows alone. False if the
        broker did not take them: then the message stays.
        """
        return self._step_back(message, [[row] for row in message.left])

    def close(self) -> None:
        """Hand everything back. The channel stays open for the acknowledgements of what runs."""
        for queue in list(self._consumers):
            self.cancel(queue)
        count = sum(self.hand_back(queue) for queue in list(self.buffers))
        if count:
            _log.info("handed back %d buffered messages", count)

    def forget(self) -> None:
        """The connection is gone: the broker has everything again already."""
        self.buffers.clear()
        self.suspects.clear()
        self._consumers.clear()

    def _add(self, consumer: _Consumer) -> None:
        queue = consumer.queue
        self.buffers.setdefault(queue, deque())
        # The count holds for consumers made after it on this channel; those made before keep theirs.
        self._channel.basic_qos(0, consumer.prefetch, False)
        consumer.tag = self._channel.basic_consume(
            queue, callback=partial(self._on_raw, consumer), on_cancel=partial(self._on_cancelled, queue)
        )
        self._consumers.setdefault(queue, []).append(consumer)

    def _on_raw(self, consumer: _Consumer, raw: Any) -> None:
        queue = consumer.queue
        fault = fault_of_envelope(raw.properties, self._known_tasks)
        if fault is not None:
            self._refuse(queue, raw, fault)
            return
        self._count += 1
        message = Delivered(raw, self._channel, queue, self._clock(), self._count)
        fault = _fault_inside(message)
        if fault is not None:
            self._refuse(queue, raw, fault)
            return
        consumer.here += 1
        message.when_answered(consumer.answered)
        self.buffers.setdefault(queue, deque()).append(message)
        known = self._rows_each.get(queue, float(len(message.rows)))
        self._rows_each[queue] = known + _RECENT * (len(message.rows) - known)
        if message.came_back >= SUSPECT_AFTER:
            self.suspects.append(message)
        self._arrived()

    def _refuse(self, queue: str, raw: Any, fault: str) -> None:
        emit(Name.FETCH_MESSAGE_REJECTED, family=names.family_of(queue), queue=queue, reason=fault)
        self._channel.basic_reject(raw.delivery_tag, requeue=False)

    def _on_cancelled(self, queue: str, tag: str) -> None:
        if all(one.tag != tag for one in self._consumers.get(queue, ())):
            return
        _log.error("the broker ended the consumer of %s: the queue was deleted or moved", queue)
        del self._consumers[queue]
        self._drop(queue)

    def _drop(self, queue: str) -> deque[Delivered]:
        self.suspects = [one for one in self.suspects if one.queue != queue]
        return self.buffers.pop(queue, deque())

    def _exists(self, queue: str) -> bool:
        channel = self._connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound:
            return False
        channel.close()
        return True

    def _give_back(self, message: Delivered) -> None:
        # Every way of giving back counts towards the queue's delivery limit (RabbitMQ 3.10: reject, nack, recover, cancel
        # with close). The first time that is harmless and keeps the place at the head; after that the message is
        # published anew, so that pauses and restarts alone never make a dead letter of it.
        if message.came_back and message.clean and self._publish(message, [message.left]):
            message.ack()
        else:
            message.reject(requeue=True)

    def _step_back(self, message: Delivered, parcels: Sequence[Sequence[int]]) -> bool:
        if not self._publish(message, parcels):
            return False
        self.buffers[message.queue].remove(message)
        self._forget_one(message)
        message.give_back(Delivered.ack)
        return True

    def _forget_one(self, message: Delivered) -> None:
        if message.came_back >= SUSPECT_AFTER and message in self.suspects:
            self.suspects.remove(message)

    def _publish(self, message: Delivered, parcels: Sequence[Sequence[int]]) -> bool:
        """Publish rows of a message anew, to the end of its queue and with no delivery counted; each with its confirm."""
        headers = {k: v for k, v in message.headers.items() if k != BACK_HEADER}
        channel = self._connection.channel()
        try:
            for rows in parcels:
                its_own: dict[str, Any] = {"calls": message.calls_of(len(rows))} if len(rows) < len(message.rows) else {}
                if len(parcels) > 1:
                    its_own["id"] = new_task_id()
                properties = dict(message.properties) | {"application_headers": headers | its_own}
                copy = RawMessage(json.dumps([[list(rows)], {}, {}], separators=(",", ":")), **properties)
                channel.basic_publish_confirm(
                    copy, exchange="", routing_key=message.queue, mandatory=True, confirm_timeout=PUBLISH_WAIT_S
                )
        except (AMQPError, OSError):
            _log.warning("message of %s could not be published anew: handed back with one delivery counted", message.queue)
            return False
        finally:
            if channel.is_open:
                channel.close()
        return True


def _fault_inside(message: Delivered) -> str | None:
    try:
        body = message.payload
    except Exception as error:  # noqa: BLE001 whatever a decoder raises on foreign bytes, the message is what is wrong
        return f"body cannot be decoded ({type(error).__name__})"
    return fault_of_body(len(message.body or ""), body)
