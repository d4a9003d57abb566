"""Decides what a message looks like: a Celery task that names rows, the same bytes whoever publishes it."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct

from routing import names
from telemetry.trace import current_traceparent

T = TypeVar("T")
Header = str | int | None | list[None] | dict[str, str]

DELIVER_TASK = "deliver"
MOST_ROWS = 100
_MOST_KEYS_SHOWN = 3


def prepare_task(domain: str) -> str:
    """Name of the task that prepares a domain's events: ``prepare_task("orders") == "orders.prepare"``."""
    return f"{domain}.prepare"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to publish: durable, mandatory. ``queue`` is where it is worked on; ``rung_s`` sends it there by the ladder.

    All rows of a delivery message share the ``operation`` ("" for a preparing one). ``since``: epoch seconds at which the
    oldest row was accepted, 0 where nobody knows.
    """

    queue: str
    task: str
    rows: tuple[int, ...]
    shown: str
    calls: int = 0
    trace: str = ""
    rung_s: int | None = None
    operation: str = ""
    since: int = 0

    @property
    def exchange(self) -> str:
        """The work exchange, or the rung's."""
        return names.WORK_EXCHANGE if self.rung_s is None else names.rung(self.rung_s)

    def body(self) -> bytes:
        """JSON of Celery's ``[args, kwargs, embed]`` with one argument: the row ids."""
        return json.dumps([[list(self.rows)], {}, {}], separators=(",", ":")).encode()

    def headers(self, task_id: str) -> dict[str, Header]:
        """Celery protocol 2 headers, plus ours: ``calls`` (requests the rows take at the target), ``operation``, ``since``
        and ``traceparent``.
        """
        return {
            "lang": "py",
            "task": self.task,
            "id": task_id,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": task_id,
            "parent_id": None,
            "argsrepr": f"({self.shown})",
            "kwargsrepr": "{}",
            "origin": "millrace",
            "ignore_result": True,
            "calls": self.calls,
            "operation": self.operation,
            "since": self.since,
            "traceparent": self.trace or current_traceparent() or "",
        }


def new_task_id() -> str:
    """A fresh message and task id."""
    return str(uuid.uuid4())


def prepare_letters(domain: str, cls: names.Class, ids: Sequence[int], trace: str = "", since: int = 0) -> list[Letter]:
    """Messages for accepted events of one domain and class, at most ``MOST_ROWS`` rows each."""
    queue = names.queue(domain, cls)
    return [
        Letter(queue, prepare_task(domain), part, _show("event", [str(i) for i in part]), trace=trace, since=since)
        for part in parts(tuple(ids), MOST_ROWS)
    ]


class Parcel(Struct, frozen=True):
    """What a delivery message needs to know of a delivery."""

    id: int
    target: str
    domain: str
    cls: names.Class
    operation: str
    calls: int
    business_key: str
    since: int


def deliver_letters(parcels: Sequence[Parcel], most_rows: int = MOST_ROWS) -> list[Letter]:
    """Messages for deliveries, each of one target, domain, class and operation, with at most ``most_rows`` rows."""
    grouped: dict[tuple[str, str], list[Parcel]] = {}
    for parcel in parcels:
        grouped.setdefault((_queue_of(parcel), parcel.operation), []).append(parcel)
    return [
        _deliver_letter(queue, operation, part)
        for (queue, operation), group in grouped.items()
        for part in parts(tuple(group), most_rows)
    ]


def _queue_of(parcel: Parcel) -> str:
    return names.queue(names.family(parcel.target, parcel.domain), parcel.cls)


def _deliver_letter(queue: str, operation: str, part: tuple[Parcel, ...]) -> Letter:
    rows = tuple(p.id for p in part)
    shown = _show(part[0].target, [p.business_key for p in part])
    calls, since = sum(p.calls for p in part), min(p.since for p in part)
    return Letter(queue, DELIVER_TASK, rows, shown, calls=calls, operation=operation, since=since)


def _show(what: str, keys: Sequence[str]) -> str:
    more = len(keys) - _MOST_KEYS_SHOWN
    return f"{what}: {', '.join(keys[:_MOST_KEYS_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def parts(rows: tuple[T, ...], most: int) -> list[tuple[T, ...]]:
    """The rows in their order, cut into parts of at most ``most``."""
    return [rows[start : start + most] for start in range(0, len(rows), most)]
