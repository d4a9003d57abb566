"""Remembers by any id that people may hold: what a word names, and the order it belongs to. Every look goes by an index."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from ledger.desk_schema import jobs
from ledger.failures import FailureKey
from ledger.schema import deliveries, documents, events, versions
from ledger.session import Session

KINDS = ("order", "shipment", "return", "stock", "reservation", "milestone", "count", "settlement")
_MOST = 20
_ROW = re.compile(r"([edm])([0-9]{1,18})")
_JOB = re.compile(r"job[ -]?([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Found:
    """Something that an id names. ``kind`` is a document's, event, delivery or job; ``id`` its name in Millrace.

    ``by`` says which id was met; ``source`` and ``order_key`` name the order it belongs to (empty: none, or not known yet).
    """

    kind: str
    id: str
    by: str
    source: str
    order_key: str
    state: str
    at: datetime


def find(session: Session, text: str, sources: Sequence[str]) -> list[Found]:
    """What a word names, each thing once: a document's key or number (a stock position's is its SKU), an event's id or
    correlation id, a delivery's key or its number at the ERP, a row's key (``e12``, ``d34``), ``job 5``. ``sources`` are those of
    the fleet file.
    """
    word = text.strip()[:300]
    if not word:
        return []
    found: dict[tuple[str, str], Found] = {}
    for one in _all(session, word, sources):
        found.setdefault((one.kind, one.id), one)
    return list(found.values())[:_MOST]


def order_of_event(session: Session, event_id: int) -> tuple[str, str] | None:
    """Source and key of the order that an event changed or waits for; None if it changed nothing."""
    d, v = documents.c, versions.c
    query = select(d.source, d.order_key).join(versions, v.document_id == d.id).where(v.event_id == event_id).limit(1)
    changed = session.execute(query).first()
    if changed:
        return changed[0], changed[1]
    waits_for = session.execute(select(events.c.waits_for).where(events.c.id == event_id)).scalar_one_or_none()
    _, _, order = (waits_for or "").partition("/")
    source, _, key = order.partition("/")
    return (source, key) if key else None


def _all(session: Session, word: str, sources: Sequence[str]) -> Iterator[Found]:
    yield from _by_row(session, word)
    yield from _by_document(session, word, sources)
    e, d = events.c, deliveries.c
    yield from _events(session, e.source.in_(sources) & (e.event_key == word), "the sender's event id")
    yield from _events(session, e.correlation_id == word, "correlation id")
    yield from _deliveries(session, d.remote_id == word, "number at the ERP")


def _by_row(session: Session, word: str) -> Iterator[Found]:
    if met := _JOB.fullmatch(word.lower()):
        query = select(jobs.c.id, jobs.c.state, jobs.c.created_at).where(jobs.c.id == int(met[1]))
        yield from (Found("job", str(row[0]), "job", "", "", row[1], row[2]) for row in session.execute(query))
    if met := _ROW.fullmatch(word.lower()):
        key = FailureKey.read(met[0])
        if key.stage == "event":
            yield from _events(session, events.c.id == key.id, "event")
        elif key.stage == "delivery":
            yield from _deliveries(session, deliveries.c.id == key.id, "delivery")


def _by_document(session: Session, word: str, sources: Sequence[str]) -> Iterator[Found]:
    c = documents.c
    whole = word.split("/", 2)
    if len(whole) == 3:
        exact = (c.kind == whole[0]) & (c.source == whole[1]) & (c.key == whole[2])
        yield from _documents(session, exact, "document")
    yield from _documents(session, c.kind.in_(KINDS) & c.source.in_(sources) & (c.key == word), "the channel's id")
    yield from _documents(session, or_(c.number == word, c.number == f"#{word}"), "number")
    # The key a delivery has at its target: no source's name holds a `_`, so the first one ends it.
    for source in sources:
        _, met, key = word.partition(f"{source}_")
        if met and key:
            here = c.kind.in_(KINDS) & (c.source == source) & (c.key == key)
            yield from _documents(session, here, "delivery key")


def _documents(session: Session, met: ColumnElement[bool], by: str) -> Iterator[Found]:
    c = documents.c
    query = select(c.kind, c.source, c.key, c.order_key, c.status, c.updated_at).where(met).limit(_MOST)
    for kind, source, key, order_key, status, at in session.execute(query):
        yield Found(kind, f"{kind}/{source}/{key}", by, source, order_key, status, at)


def _events(session: Session, met: ColumnElement[bool], by: str) -> Iterator[Found]:
    c = events.c
    query = select(c.id, c.source, c.state, c.received_at).where(met).limit(_MOST)
    for row_id, source, state, at in session.execute(query).all():
        channel, order_key = order_of_event(session, row_id) or (source, "")
        yield Found("event", f"e{row_id}", by, channel, order_key, state, at)


def _deliveries(session: Session, met: ColumnElement[bool], by: str) -> Iterator[Found]:
    c = deliveries.c
    query: Select[Any] = select(c.id, c.entity, c.state, c.accepted_at).where(met).limit(_MOST)
    for row_id, entity, state, at in session.execute(query):
        source, _, order_key = entity.partition("/")
        yield Found("delivery", f"d{row_id}", by, source, order_key, state, at)
