"""Runs the recorder: files what the broker gave up on, parks the rows it named, and only then lets the message go."""

import json
import threading
from collections.abc import Sequence
from typing import Any

from kombu import Connection, Consumer, Queue
from kombu.message import Message

import ledger.dead_letters
from canonical.failure import Failure, FailureClass
from ledger.dead_letters import NewDeadLetter
from ledger.session import LedgerUnavailable
from routing import names
from tasks.context import Context
from telemetry.bus import emit
from telemetry.events import Name

PREFETCH = 50
POLL_S = 0.5
LEDGER_REST_S = 2.0

_REASONS = {
    "delivery_limit": (
        FailureClass.POISON,
        "several workers died while they held this message",
        "find out why in the workers' logs; retry after the fix",
    ),
    "rejected": (
        FailureClass.DEFECT,
        "a worker refused this message",
        "see the worker's log for the reason; retry after the fix",
    ),
}


class Recorder:
    """Consumes every dead queue and the queue of the unrouted. One message, one row, then the acknowledgement."""

    def __init__(self, context: Context, broker_url: str, queues: Sequence[str]) -> None:
        """``queues`` are the dead queues and ``unrouted``."""
        self._context = context
        self._url = broker_url
        self._queues = queues

    def run(self, stop: threading.Event) -> None:
        """Record until ``stop``; a broker or ledger that is away is waited for."""
        while not stop.is_set():
            connection = Connection(self._url, heartbeat=30, connect_timeout=5)
            gone: tuple[type[BaseException], ...] = (
                *connection.connection_errors,
                *connection.channel_errors,
                *LedgerUnavailable,
                OSError,
            )
            try:
                self._consume(connection, stop)
            except gone as error:
                emit(Name.DEAD_RECORD_FAILED, error=error)
                stop.wait(LEDGER_REST_S)
            finally:
                connection.release()

    def _consume(self, connection: Connection, stop: threading.Event) -> None:
        queues = [Queue(name, no_declare=True) for name in self._queues]
        with Consumer(connection, queues, on_message=self._record, prefetch_count=PREFETCH, auto_declare=False):
            while not stop.is_set():
                try:
                    connection.drain_events(timeout=POLL_S)
                except TimeoutError:
                    connection.heartbeat_check()

    def _record(self, message: Message) -> None:
        letter = read_dead_letter(message)
        cls, reason, remedy = _REASONS.get(letter.reason, _REASONS["rejected"])
        failure = Failure(cls, f"dead.{letter.reason}", reason, remedy)
        with self._context.ledger.write() as session:
            parked = ledger.dead_letters.file(session, letter, failure, self._context.now())
        message.ack()
        emit(Name.DEAD_RECORD_DONE, queue=letter.queue, family=letter.family, state=letter.reason, count=parked)


def read_dead_letter(message: Message) -> NewDeadLetter:
    """What a dead message tells: where and why it died by the broker's x-death, and the task and rows if it is one of ours."""
    headers: dict[str, Any] = message.headers or {}
    info: dict[str, Any] = message.delivery_info or {}
    death = _first_death(headers)
    queue = str(death.get("queue") or info.get("routing_key") or names.UNROUTED)
    raw: Any = message.body
    body = raw if isinstance(raw, bytes) else str(raw).encode()
    rows = _rows_in(body)
    task = headers.get("task")
    known = isinstance(task, str) and bool(rows)
    return NewDeadLetter(
        family=names.family_of(queue) or names.UNROUTED,
        queue=queue[:120],
        reason=str(death.get("reason") or "unrouted")[:40],
        task=str(task)[:120] if known else None,
        rows=rows if known else (),
        body=body,
    )


def _first_death(headers: dict[str, Any]) -> dict[str, Any]:
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        return deaths[0]
    return {}


def _rows_in(body: bytes) -> tuple[int, ...]:
    """Row ids of a task message's body; none if it is anything else."""
    try:
        args = json.loads(body)[0]
        rows = args[0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ()
    if not isinstance(rows, list) or not all(isinstance(r, int) and not isinstance(r, bool) and 0 < r < 2**63 for r in rows):
        return ()
    return tuple(rows)
