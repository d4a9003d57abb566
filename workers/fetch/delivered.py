"""Runs one message as it was delivered: handed out in parts, and answered once, when all of them have their end.

A part may hold rows of several messages: small messages then cost no more than large ones.
"""

import json
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from amqp.exceptions import AMQPError
from kombu.transport.pyamqp import Message

from routing import names
from workers.fetch.reading import JSON

BACK_HEADER = "x-delivery-count"

_ALIKE = ("task", "traceparent", "timelimit", "expires")
"""Headers that rows of one part have in common."""


class Ending(IntEnum):
    """How a part ended, the worst last: all well, to be run again, refused to the dead-letter exchange."""

    DONE = 0
    AGAIN = 1
    DEAD = 2


class Delivered(Message):
    """A message with the queue it came from and the rows of it that wait. Belongs to the connection's thread.

    ``came_back`` counts its deliveries before this one that had no answer; ``number`` is its place in arrival here. Once
    given back, nothing more is handed out of it; it is answered when what runs of it has its end.
    """

    def __init__(self, raw: Any, channel: Any, queue: str, at_s: float, number: int) -> None:
        super().__init__(raw, channel=channel, accept={JSON})
        headers = self.headers
        self.queue = queue
        self.family = names.family_of(queue)
        self.at_s = at_s
        self.number = number
        self.came_back = int(headers.get(BACK_HEADER) or 0)
        self.operation = str(headers.get("operation") or "")
        self.since = int(headers.get("since") or 0)
        self.idle_parts = 0
        """Parts of it in a row that found nothing to be done."""
        self._rows: list[int] | None = None
        self._next = 0
        self._cuts = 0
        self._running = 0
        self._worst = Ending.DONE
        self._give_back: Callable[[Delivered], None] | None = None
        self._when_answered: Callable[[], None] | None = None

    @property
    def rows(self) -> list[int]:
        """All its rows; to be asked for once its body is known to be good."""
        if self._rows is None:
            self._rows = self.payload[0][0]
        return self._rows

    @property
    def fresh(self) -> bool:
        """Whether this is its first delivery. What came back may be what killed its worker: it shows only if it runs alone."""
        return not self.came_back and not self.delivery_info.get("redelivered")

    def goes_with(self, other: "Delivered") -> bool:
        """Whether rows of both may run in one part: to Celery that part is one message, with the headers of the first."""
        mine, its = self.headers, other.headers
        return (
            self.fresh
            and other.fresh
            and self.operation == other.operation
            and all(mine.get(name) == its.get(name) for name in _ALIKE)
        )

    @property
    def left(self) -> list[int]:
        """Rows that were not handed out."""
        return self.rows[self._next :]

    @property
    def waiting(self) -> int:
        """How many rows may still be handed out."""
        return 0 if self._give_back is not None or self._worst is Ending.AGAIN else len(self.rows) - self._next

    @property
    def clean(self) -> bool:
        """Whether all that ran of it ended well: then ``left`` is all that is still to be done."""
        return self._worst is Ending.DONE

    @property
    def task_id(self) -> str:
        """The id of the task it carries."""
        return str(self.headers["id"])

    def calls_of(self, rows: int) -> int:
        """Requests that so many of its rows are expected to take at their target."""
        return max(1, -(-int(self.headers.get("calls") or 1) * rows // len(self.rows)))

    def part_id(self, rows: int) -> str:
        """Task id of the next part, if it holds so many rows: the message's own if that is all of it."""
        return self.task_id if rows == len(self.rows) and not self._cuts else f"{self.task_id}.{self._cuts}"

    def cut(self, rows: int, behind: Sequence["Delivered"] = ()) -> "Part":
        """Take the next rows out, to be run; what it lacks is taken from the messages ``behind`` it."""
        task_id = self.part_id(rows)
        sources: list[Delivered] = []
        taken: list[int] = []
        for message in (self, *behind):
            if len(taken) == rows:
                break
            taken += message.take(rows - len(taken))
            sources.append(message)
        return Part(sources, task_id, taken)

    def take(self, most: int) -> list[int]:
        """Take up to so many rows out for a part: it has to answer for them by `part_ended`."""
        taken = self.rows[self._next : self._next + most]
        self._next += len(taken)
        self._cuts += 1
        self._running += 1
        return taken

    def when_answered(self, act: Callable[[], None]) -> None:
        """What is to be done once the broker has its answer."""
        self._when_answered = act

    def give_back(self, act: Callable[["Delivered"], None]) -> None:
        """Hand out no more; ``act`` answers it as soon as nothing of it runs."""
        self._give_back = act
        if not self._running:
            act(self)

    def part_ended(self, ending: Ending, logger: Any, errors: Any) -> None:
        """One part has its end; the last one answers for the message, and the worst of them says how."""
        self._running -= 1
        self._worst = max(self._worst, ending)
        if self._running or self.waiting:
            return
        if self._give_back is not None and self.left:
            self._give_back(self)
        elif self._worst is Ending.DONE:
            self.ack_log_error(logger, errors)
        else:
            self.reject_log_error(logger, errors, requeue=self._worst is Ending.AGAIN)

    def ack(self, multiple: bool = False) -> None:
        super().ack(multiple=multiple)
        self._answered()

    def reject(self, requeue: bool = False) -> None:
        super().reject(requeue=requeue)
        self._answered()

    def _answered(self) -> None:
        if self._when_answered is not None:
            self._when_answered()

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:
        super().ack_log_error(logger, (*errors, AMQPError), multiple=multiple)

    def reject_log_error(self, logger: Any, errors: Any, requeue: bool = False) -> None:
        super().reject_log_error(logger, (*errors, AMQPError), requeue=requeue)


class Part:
    """Some rows of a message, or of several, to Celery a message of its own: the headers of the first, own task id. ``ended``
    may be called on any thread, everything else belongs to the connection's.
    """

    def __init__(self, messages: Sequence[Delivered], task_id: str, rows: Sequence[int]) -> None:
        self.messages = messages
        self.message = message = messages[0]
        self.task_id = task_id
        self.rows = rows
        self.queue = message.queue
        self.slots = 1
        """Places of the pool it counts for: requests that it may have under way at once."""
        self.acknowledged = False
        self.body, self.payload, self.headers = message.body, message.payload, message.headers
        if rows != message.rows:
            self.payload = [[rows], {}, {}]
            self.body = json.dumps(self.payload, separators=(",", ":"))
            shown = f"(rows {rows[0]} to {rows[-1]}, {len(rows)} of {sum(len(one.rows) for one in messages)})"
            self.headers = message.headers | {"id": task_id, "argsrepr": shown}
        self.properties: Any = message.properties
        self.delivery_info: Any = message.delivery_info
        self.content_type: Any = message.content_type
        self.content_encoding: Any = message.content_encoding
        self._on_end: Callable[[], None] | None = None

    def when_ended(self, act: Callable[[], None]) -> None:
        """What is to be done once when its work is over here."""
        self._on_end = act

    def ended(self) -> None:
        """Its work is over here, whichever way; calling again is harmless."""
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:
        """It ran well."""
        self._answer(Ending.DONE, logger, errors)

    def reject_log_error(self, logger: Any, errors: Any, requeue: bool = False) -> None:
        """It is to be run again, or was refused for good."""
        self._answer(Ending.AGAIN if requeue else Ending.DEAD, logger, errors)

    def _answer(self, ending: Ending, logger: Any, errors: Any) -> None:
        self.ended()
        if self.acknowledged:
            return
        self.acknowledged = True
        if ending is Ending.DEAD and len(self.messages) > 1:
            # Which of them it was for shows when each comes back and runs alone.
            ending = Ending.AGAIN
        for message in self.messages:
            message.part_ended(ending, logger, errors)
