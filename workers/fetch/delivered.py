"""Runs one message as it was delivered: Celery's view of it, and one call when it has its end."""

from collections.abc import Callable
from typing import Any

from amqp.exceptions import AMQPError
from kombu.transport.pyamqp import Message

from workers.fetch.reading import JSON

BACK_HEADER = "x-delivery-count"


class Delivered(Message):
    """A message with the queue it came from. Belongs to the connection's thread; ``ended`` may be called on any.

    ``came_back`` counts its deliveries before this one that had no answer; ``number`` is its place in arrival here.
    """

    def __init__(self, raw: Any, channel: Any, queue: str, at_s: float, number: int) -> None:
        super().__init__(raw, channel=channel, accept={JSON})
        self.queue = queue
        self.at_s = at_s
        self.number = number
        self.came_back = int(self.headers.get(BACK_HEADER) or 0)
        self._on_end: Callable[[], None] | None = None

    @property
    def task_id(self) -> str:
        """The id of the task it carries."""
        return str(self.headers["id"])

    @property
    def calls(self) -> int:
        """Requests it is expected to take at its target."""
        return int(self.headers.get("calls") or 1)

    def when_ended(self, act: Callable[[], None]) -> None:
        """What is to be done once when its work is over here."""
        self._on_end = act

    def ended(self) -> None:
        """Its work is over here, whichever way; calling again is harmless."""
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()

    def ack(self, multiple: bool = False) -> None:
        self.ended()
        super().ack(multiple=multiple)

    def reject(self, requeue: bool = False) -> None:
        self.ended()
        super().reject(requeue=requeue)

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:
        super().ack_log_error(logger, (*errors, AMQPError), multiple=multiple)

    def reject_log_error(self, logger: Any, errors: Any, requeue: bool = False) -> None:
        super().reject_log_error(logger, (*errors, AMQPError), requeue=requeue)
