"""Runs a broker in memory, as far as fetching sees one: queues, consumers with a prefetch, answers, the delay ladder.

It has the face of a connection of the library ``amqp``, so that production's own intake fetches from it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from routing.letters import Letter
from workers.fetch.delivered import BACK_HEADER
from workers.fetch.reading import JSON
from workers.rehearse.agenda import Agenda


@dataclass(slots=True)
class Raw:
    """A message as ``amqp`` hands it over."""

    body: bytes | str
    properties: dict[str, Any]
    delivery_tag: int = 0
    delivery_info: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Consumer:
    """One consumer of one queue; ``held`` counts what it has not answered."""

    queue: str
    prefetch: int
    callback: Callable[[Raw], None]
    held: int = 0
    gone: bool = False


class Broker:
    """Queues by name. A message waits at its queue's end until a consumer has room; consumers are served in turn."""

    def __init__(self, agenda: Agenda, queues: Iterable[str]) -> None:
        self._agenda = agenda
        self._ready: dict[str, deque[Raw]] = {queue: deque() for queue in queues}
        self._consumers: dict[str, deque[Consumer]] = {queue: deque() for queue in self._ready}
        self._held: dict[int, tuple[Raw, Consumer]] = {}
        self._tag = 0
        self._messages = 0
        self.dead = 0

    def publish(self, letters: Iterable[Letter]) -> None:
        """Take messages in: at once, or by their rung of the ladder."""
        for letter in letters:
            self._messages += 1
            properties = {
                "content_type": JSON,
                "content_encoding": "utf-8",
                "application_headers": letter.headers(f"m{self._messages}"),
            }
            raw = Raw(letter.body(), properties)
            if letter.rung_s is None:
                self._put(letter.queue, raw)
            else:
                self._agenda.after(letter.rung_s, self._putting(letter.queue, raw))

    def ready(self, queue: str) -> int:
        """Messages that no consumer has."""
        return len(self._ready[queue])

    def channel(self) -> "Channel":
        """A channel of a connection to it."""
        return Channel(self)

    def knows(self, queue: str) -> bool:
        """Whether it has the queue."""
        return queue in self._ready

    def add(self, consumer: Consumer) -> None:
        """Serve one more consumer."""
        self._consumers[consumer.queue].append(consumer)
        self._feed(consumer.queue)

    def drop(self, consumer: Consumer) -> None:
        """Serve a consumer no more; what it holds it still answers."""
        consumer.gone = True
        self._consumers[consumer.queue].remove(consumer)

    def answer(self, tag: int, *, requeue: bool, done: bool) -> None:
        """What a consumer held has its end, goes back to the head of its queue, or dies."""
        raw, consumer = self._held.pop(tag)
        consumer.held -= 1
        if requeue:
            headers = raw.properties["application_headers"]
            back = int(headers.get(BACK_HEADER) or 0) + 1
            again = raw.properties | {"application_headers": headers | {BACK_HEADER: back}}
            self._ready[consumer.queue].appendleft(Raw(raw.body, again))
        elif not done:
            self.dead += 1
        self._feed(consumer.queue)

    def put(self, queue: str, body: bytes | str, properties: dict[str, Any]) -> None:
        """A message that a worker publishes anew."""
        self._put(queue, Raw(body, properties))

    def _putting(self, queue: str, raw: Raw) -> Callable[[], None]:
        return lambda: self._put(queue, raw)

    def _put(self, queue: str, raw: Raw) -> None:
        self._ready[queue].append(raw)
        self._feed(queue)

    def _feed(self, queue: str) -> None:
        ready, consumers = self._ready[queue], self._consumers[queue]
        while ready and (free := next((one for one in consumers if one.held < one.prefetch), None)) is not None:
            consumers.remove(free)
            consumers.append(free)
            self._hand(ready.popleft(), free)

    def _hand(self, raw: Raw, consumer: Consumer) -> None:
        self._tag += 1
        consumer.held += 1
        back = raw.properties["application_headers"].get(BACK_HEADER)
        given = Raw(raw.body, raw.properties, self._tag, {"delivery_tag": self._tag, "redelivered": bool(back)})
        self._held[self._tag] = given, consumer
        self._agenda.after(0.0, lambda: self._arrive(given, consumer))

    def _arrive(self, raw: Raw, consumer: Consumer) -> None:
        if consumer.gone:
            self.answer(raw.delivery_tag, requeue=True, done=False)
        else:
            consumer.callback(raw)


class Channel:
    """A channel as ``amqp`` has it; what fetching does not call is not there."""

    no_ack_consumers: None = None
    is_open = True

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._prefetch = 1
        self._consumers: dict[str, Consumer] = {}
        self._count = 0

    def close(self) -> None:
        """A channel that only asked."""

    def queue_declare(self, queue: str, *, passive: bool) -> None:
        """Ask whether a queue exists; all of the topology's do."""
        if not (passive and self._broker.knows(queue)):
            raise ValueError(f"the rehearsal's broker has no queue {queue!r}")

    def basic_qos(self, _size: int, count: int, _whole: bool) -> None:
        """The prefetch of consumers made after it."""
        self._prefetch = count

    def basic_consume(self, queue: str, callback: Callable[[Raw], None], on_cancel: object) -> str:
        """Begin to consume; returns the consumer's tag."""
        del on_cancel
        self._count += 1
        consumer = self._consumers[tag := f"c{self._count}"] = Consumer(queue, self._prefetch, callback)
        self._broker.add(consumer)
        return tag

    def basic_cancel(self, tag: str) -> None:
        """End a consumer."""
        self._broker.drop(self._consumers.pop(tag))

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        """Done with."""
        del multiple
        self._broker.answer(tag, requeue=False, done=True)

    def basic_reject(self, tag: int, requeue: bool = False) -> None:
        """Back, or to the dead letters."""
        self._broker.answer(tag, requeue=requeue, done=False)

    def basic_publish_confirm(self, message: Any, *, exchange: str, routing_key: str, **_: object) -> None:
        """Take a message that a worker publishes anew straight to its queue."""
        del exchange
        self._broker.put(routing_key, message.body, dict(message.properties))
