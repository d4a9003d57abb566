"""Remembers events: what outside systems told us, exactly as it came, and what became of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Executable, Row, bindparam, literal_column, select, update
from sqlalchemy.dialects import sqlite

from canonical.failure import Failure, FailureClass
from ledger import cases
from ledger.many import change, one_of
from ledger.rows import failure_values, served_as
from ledger.schema import events
from ledger.session import IN_BINARY, Session


class NewEvent(Struct, frozen=True):
    """An event to accept. ``domain`` None: its topic is unknown, it is kept and not worked on."""

    source: str
    event_key: str
    topic: str
    domain: str | None
    cls: str
    headers: Mapping[str, str]
    body: bytes
    correlation_id: str
    received_at: datetime


class Receipt(Struct, frozen=True):
    """What became of an accepted event: its row, and whether it is new (False: told before, nothing changed)."""

    id: int
    new: bool


class EventRow(Struct, frozen=True):
    """An event that is worked on, locked by the transaction that loaded it. ``moved_to``: the class that an operator gave it,
    which holds for what it leads to.
    """

    id: int
    source: str
    topic: str
    domain: str
    cls: str
    headers: Mapping[str, str]
    body: bytes
    correlation_id: str
    received_at: datetime
    moved_to: str | None = None


class Waiting(Struct, frozen=True):
    """A row that waits for its message: what the relay publishes."""

    id: int
    family: str
    cls: str
    received_at: datetime


class EventEnd(Struct, frozen=True):
    """What an event's row is set to: done, stale, waiting (for the order named) or parked (with its failure)."""

    id: int
    state: str
    waits_for: str | None = None
    failure: Failure | None = None


def accept(session: Session, new: Sequence[NewEvent]) -> list[Receipt]:
    """Insert each event once; receipts come in the order given. A second row of one key never appears.

    All new ones are written by one statement, so a session in which each is a transaction by itself (`Ledger.single`) will do.
    """
    if not new:
        return []
    fresh = _insert_new(session, new)
    receipts: dict[tuple[str, str], Receipt] = {key: Receipt(row_id, True) for key, row_id in fresh.items()}
    told_before = {(e.source, e.event_key) for e in new} - receipts.keys()
    for source, event_key in told_before:
        found = session.execute(
            select(events.c.id).where(events.c.source == source, events.c.event_key == event_key)
        ).scalar_one()
        receipts[source, event_key] = Receipt(found, False)
    answers = []
    for event in new:
        key = (event.source, event.event_key)
        answers.append(receipts[key])
        receipts[key] = Receipt(receipts[key].id, False)
    return answers


def load(session: Session, ids: Sequence[int], cls: str = "low") -> list[EventRow]:
    """Lock and read the events of a message of class ``cls`` that still wait to be prepared; none of a lower class.

    One that another worker holds is waited for: passed over, it would be lost with this message if that worker is dead and
    the database has not noticed yet. Raises one of LedgerUnavailable when the wait takes too long.
    """
    return [EventRow(*row) for row in session.execute(_load(session.dialect.name, cls), {"ids": ids}).all()]


def moved_down(session: Session, ids: Sequence[int], cls: str) -> list[Waiting]:
    """Those of a message's events that wait in a lower class than its ``cls``: they were moved since it was written."""
    c = events.c
    query = select(c.id, c.domain, c["class"], c.received_at)
    lower = query.where(c.id.in_(ids), c.state == "accepted", c["class"].not_in(served_as(cls)))
    return [Waiting(*row) for row in session.execute(lower)]


def settle(session: Session, ends: Iterable[EventEnd], now: datetime) -> None:
    """Write what became of loaded events."""
    told = list(ends)
    well = [{"id": e.id, "state": e.state, "waits_for": e.waits_for} for e in told if e.failure is None]
    change(session, events, well, by=("id",), alike={"settled_at": now} | failure_values(None, now))
    failed = [
        {"id": e.id, "state": e.state, "waits_for": e.waits_for} | failure_values(e.failure, now)
        for e in told
        if e.failure is not None
    ]
    change(session, events, failed, by=("id",), alike={"settled_at": now})
    cases.open_events(session, [e.id for e in told if e.failure is not None], now)


def mark_published(session: Session, ids: Sequence[int], now: datetime) -> None:
    """Note that the broker confirmed the messages of these events."""
    if ids:
        session.execute(_mark_published(session.dialect.name), {"ids": ids, "now": now})


def release(session: Session, waited_for: Sequence[str]) -> list[Waiting]:
    """Give events that waited for these documents back to work; the caller publishes them after the commit."""
    if not waited_for:
        return []
    return [Waiting(*row) for row in session.execute(_release(session.dialect.name), {"keys": list(waited_for)})]


def unpublished(session: Session, accepted_before: datetime, most: int) -> list[Waiting]:
    """Accepted events whose message was never confirmed, oldest first."""
    c = events.c
    query = (
        select(c.id, c.domain, c["class"], c.received_at)
        .where(c.state == "accepted", c.published_at.is_(None), c.received_at < accepted_before)
        .order_by(c.id)
        .limit(most)
    )
    return [Waiting(*row) for row in session.execute(query)]


def published_before(session: Session, family: str, cls: str, moment: datetime, most: int) -> list[Waiting]:
    """Events of one queue whose message was confirmed before ``moment`` and that nobody has prepared since, oldest first."""
    c = events.c
    query = (
        select(c.id, c.domain, c["class"], c.received_at)
        .where(c.state == "accepted", c.domain == family, c["class"] == cls, c.published_at < moment)
        # The order of the lane's index: by id alone the database may walk all that was ever told.
        .order_by(c.received_at)
        .limit(most)
    )
    return [Waiting(*row) for row in session.execute(query)]


def park_orphans(session: Session, received_before: datetime, now: datetime) -> list[int]:
    """Park events whose predecessor did not come in time."""
    failure = Failure(
        FailureClass.ORPHAN,
        "predecessor.missing",
        "the order this event belongs to was never told",
        "have the channel send the order again, or load it; then retry",
    )
    query = (
        update(events)
        .where(events.c.state == "waiting", events.c.received_at < received_before)
        .values(state="parked", **failure_values(failure, now))
        .returning(events.c.id)
    )
    parked = list(session.execute(query).scalars())
    cases.open_events(session, parked, now)
    return parked


_BURST = """
    INSERT INTO events (source, event_key, topic, domain, class, headers, body, correlation_id, received_at, state)
    SELECT t.source, t.event_key, t.topic, t.domain, t.class, t.headers,
           substring(CAST(%(bodies)s AS bytea) FROM t.first FOR t.size), t.correlation_id, t.received_at, t.state
    FROM json_to_recordset(CAST(%(rows)s AS json)) AS t (
        first int, size int, source text, event_key text, topic text, domain text, class text, headers json,
        correlation_id text, received_at timestamptz, state text)
    ON CONFLICT (source, event_key) DO NOTHING
    RETURNING source, event_key, id
"""


@cache
def _load(dialect: str, cls: str) -> Executable:
    """The columns stand in the order of `EventRow`."""
    c = events.c
    return (
        select(c.id, c.source, c.topic, c.domain, c["class"], c.headers, c.body, c.correlation_id, c.received_at, c.moved_to)
        .where(
            one_of(dialect, c.id, "ids"),
            # Expressions, not the columns: by them a plan could walk the index of a lane, which holds the whole backlog.
            c.state + "" == "accepted",
            (c["class"] + "").in_([literal_column(f"'{one}'") for one in served_as(cls)]),
        )
        .order_by(c.id)
        .with_for_update()
        .execution_options(**{IN_BINARY: True})
    )


@cache
def _mark_published(dialect: str) -> Executable:
    c = events.c
    marked = update(events).where(one_of(dialect, c.id, "ids"), c.state + "" == "accepted")
    return marked.values(published_at=bindparam("now", type_=c.published_at.type))


@cache
def _release(dialect: str) -> Executable:
    c = events.c
    return (
        update(events)
        .where(c.state == "waiting", one_of(dialect, c.waits_for, "keys"))
        .values(state="accepted", published_at=None, settled_at=None)
        .returning(c.id, c.domain, c["class"], c.received_at)
    )


def _insert_new(session: Session, new: Sequence[NewEvent]) -> dict[tuple[str, str], int]:
    # One row a key: a statement may not meet its own conflict twice, and bursts do hold the same event twice.
    distinct = {(e.source, e.event_key): e for e in reversed(new)}
    ordered = sorted(distinct.values(), key=lambda e: (e.source, e.event_key))
    insert = _insert_burst if session.dialect.name == "postgresql" else _insert_each
    return {(row[0], row[1]): row[2] for row in insert(session, ordered)}


def _insert_each(session: Session, ordered: Sequence[NewEvent]) -> Sequence[Row[*tuple[Any, ...]]]:
    statement = (
        sqlite.insert(events)
        .on_conflict_do_nothing(index_elements=["source", "event_key"])
        .returning(events.c.source, events.c.event_key, events.c.id)
    )
    return session.execute(statement, [_values(e) for e in ordered]).all()


def _insert_burst(session: Session, ordered: Sequence[NewEvent]) -> Sequence[Row[*tuple[Any, ...]]]:
    """One statement of one text however many rows: a VALUES list of another length is parsed anew by driver and server,
    which took half of the receiver's commit. The bodies travel as one value and are cut apart by the server.
    """
    rows, first = [], 1
    for event in ordered:
        told = _values(event)
        told |= {"first": first, "size": len(event.body), "body": None, "received_at": event.received_at.isoformat()}
        rows.append(told)
        first += len(event.body)
    return session.exec_driver_sql(_BURST, {"rows": _written(rows), "bodies": b"".join([e.body for e in ordered])}).all()


def _written(rows: Sequence[Mapping[str, object]]) -> str:
    try:
        return msgspec.json.encode(rows).decode()
    except UnicodeError:
        # A header with half a character in it: whether it can be kept is the server's to say, for that event alone.
        return json.dumps(rows)


def _values(event: NewEvent) -> dict[str, object]:
    return {
        "source": event.source,
        "event_key": event.event_key,
        "topic": event.topic,
        "domain": event.domain,
        "class": event.cls,
        "headers": dict(event.headers),
        "body": event.body,
        "correlation_id": event.correlation_id,
        "received_at": event.received_at,
        "state": "accepted" if event.domain else "kept",
    }
