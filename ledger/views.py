"""Remembers for readers: lists, single rows and the whole story of one order. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, or_, select

from ledger.journey_schema import milestones
from ledger.schema import attempts, deliveries, documents, events, versions
from ledger.session import Session
from ledger.settlements import Line, lines_of_order
from ledger.standing import is_state


@dataclass(frozen=True, slots=True)
class EventView:
    """An event without its body."""

    id: int
    source: str
    topic: str
    event_key: str
    domain: str | None
    cls: str
    state: str
    waits_for: str | None
    correlation_id: str
    received_at: datetime
    settled_at: datetime | None
    failure_class: str | None
    failure_code: str | None
    failure_reason: str | None
    failure_remedy: str | None
    size_bytes: int
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document's head."""

    id: int
    kind: str
    source: str
    key: str
    number: str | None
    order_key: str
    version: int
    status: str
    as_of: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a document: which event told it, and when it was written."""

    document_id: int
    version: int
    event_id: int
    written_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A delivery with where it stands."""

    id: int
    target: str
    operation: str
    business_key: str
    version: int
    cls: str
    state: str
    uncertain: bool
    attempts: int
    remote_id: str | None
    due_at: datetime | None
    correlation_id: str
    accepted_at: datetime
    created_at: datetime
    settled_at: datetime | None
    failure_class: str | None
    failure_code: str | None
    failure_reason: str | None
    failure_remedy: str | None
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a delivery and its outcome."""

    delivery_id: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class StepView:
    """A step that somebody outside has taken with the order, shipment or return, and who told it."""

    document_id: int
    step: str
    at: datetime
    source: str
    return_key: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the ledger knows of one order, in the order in which it happened."""

    events: tuple[EventView, ...]
    documents: tuple[DocumentView, ...]
    versions: tuple[VersionView, ...]
    deliveries: tuple[DeliveryView, ...]
    attempts: tuple[AttemptView, ...]
    steps: tuple[StepView, ...] = ()
    paid: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How many rows of a queue stand in a state, and since when the oldest does."""

    family: str
    cls: str
    state: str
    count: int
    oldest_at: datetime


def list_events(session: Session, *, state: str | None, source: str | None, most: int) -> list[EventView]:
    """Newest first."""
    query = _event_query().order_by(events.c.id.desc()).limit(most)
    if state:
        query = query.where(events.c.state == state)
    if source:
        query = query.where(events.c.source == source)
    return [EventView(*row) for row in session.execute(query)]


def list_documents(session: Session, *, kind: str | None, source: str | None, most: int) -> list[DocumentView]:
    """Newest change first."""
    query = _document_query().order_by(documents.c.updated_at.desc(), documents.c.id.desc()).limit(most)
    if kind:
        query = query.where(documents.c.kind == kind)
    if source:
        query = query.where(documents.c.source == source)
    return [DocumentView(*row) for row in session.execute(query)]


def list_deliveries(session: Session, *, state: str | None, target: str | None, most: int) -> list[DeliveryView]:
    """Newest first."""
    query = _delivery_query().order_by(deliveries.c.id.desc()).limit(most)
    if state:
        query = query.where(deliveries.c.state == state)
    if target:
        query = query.where(deliveries.c.target == target)
    return [DeliveryView(*row) for row in session.execute(query)]


def find_event(session: Session, event_id: int) -> EventView | None:
    """One event."""
    row = session.execute(_event_query().where(events.c.id == event_id)).first()
    return EventView(*row) if row else None


def event_body(session: Session, event_id: int) -> bytes:
    """The raw bytes of an event as the sender gave them; personal data."""
    return bytes(session.execute(select(events.c.body).where(events.c.id == event_id)).scalar_one())


def find_documents(session: Session, wanted: str) -> list[DocumentView]:
    """Documents by ``kind/source/key``, by key or by the number people see; else by id, which may be another one's number."""
    c = documents.c
    ways = [c.key == wanted, c.number == wanted, c.number == f"#{wanted}"]
    kind, _, rest = wanted.partition("/")
    source, _, key = rest.partition("/")
    if key:
        ways.append((c.kind == kind) & (c.source == source) & (c.key == key))
    query = _document_query().order_by(c.id).limit(50)
    found = [DocumentView(*row) for row in session.execute(query.where(or_(*ways)))]
    if found or not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 10):
        return found
    return [DocumentView(*row) for row in session.execute(query.where(c.id == int(wanted)))]


def document_body(session: Session, document_id: int, version: int) -> str | None:
    """Canonical JSON of one version; personal data."""
    c = versions.c
    return session.execute(select(c.body).where(c.document_id == document_id, c.version == version)).scalar_one_or_none()


def find_delivery(session: Session, delivery_id: int) -> DeliveryView | None:
    """One delivery."""
    row = session.execute(_delivery_query().where(deliveries.c.id == delivery_id)).first()
    return DeliveryView(*row) if row else None


def tell_story(session: Session, source: str, order_key: str) -> Story:
    """The story of one order: its documents, what told them, and what became of them outside."""
    heads = [
        DocumentView(*row)
        for row in session.execute(
            _document_query().where(documents.c.source == source, documents.c.order_key == order_key).order_by(documents.c.id)
        )
    ]
    steps, told_by_others = _steps_of(session, heads)
    heads += told_by_others
    told = _versions_of(session, [h.id for h in heads])
    sent = [
        DeliveryView(*row)
        for row in session.execute(
            _delivery_query().where(deliveries.c.entity == f"{source}/{order_key}").order_by(deliveries.c.id)
        )
    ]
    tried = _attempts_of(session, [d.id for d in sent])
    waiting_for = f"order/{source}/{order_key}"
    ids = {v.event_id for v in told}
    # One look a state: the indexes hold those that wait and those that are parked, each apart.
    told_early = (_event_query().where(is_state(events.c.state, state)) for state in ("waiting", "parked"))
    looks = [_event_query().where(events.c.id.in_(ids)), *(look.where(events.c.waits_for == waiting_for) for look in told_early)]
    heard = {row.id: EventView(*row) for look in looks for row in session.execute(look)}
    paid = tuple(lines_of_order(session, source, order_key))
    in_order = tuple(heard[event_id] for event_id in sorted(heard))
    return Story(in_order, tuple(heads), tuple(told), tuple(sent), tuple(tried), tuple(steps), paid)


def _steps_of(session: Session, heads: Sequence[DocumentView]) -> tuple[list[StepView], list[DocumentView]]:
    """Milestones of the order among these documents, with the documents of those that another source told: a warehouse's."""
    order = next((head for head in heads if head.kind == "order"), None)
    if order is None:
        return [], []
    m = milestones.c
    mine = m.order_id == order.id
    query = select(m.document_id, m.step, m.at, documents.c.source, m.return_key).join(documents, documents.c.id == m.document_id)
    steps = [StepView(*row) for row in session.execute(query.where(mine).order_by(m.at, m.document_id))]
    known = {head.id for head in heads}
    others = [step.document_id for step in steps if step.document_id not in known]
    query_others = _document_query().where(documents.c.id.in_(others)).order_by(documents.c.id)
    return steps, [DocumentView(*row) for row in session.execute(query_others)] if others else []


def story_of_event(session: Session, event_id: int) -> Story | None:
    """The story of the order that an event changed; None if it changed no document."""
    query = (
        select(documents.c.id, documents.c.kind, documents.c.source, documents.c.order_key)
        .join(versions, versions.c.document_id == documents.c.id)
        .where(versions.c.event_id == event_id)
        .limit(1)
    )
    found = session.execute(query).first()
    return tell_story(session, *_order_of(session, *found)) if found else None


def story_of_document(session: Session, document: DocumentView) -> Story:
    """The story of the order that a document belongs to, whoever told the document."""
    return tell_story(session, *_order_of(session, document.id, document.kind, document.source, document.order_key))


def _order_of(session: Session, document_id: int, kind: str, source: str, order_key: str) -> tuple[str, str]:
    """Source and key of the order: a milestone may be told by another source than its order."""
    if kind != "milestone":
        return source, order_key
    query = select(documents.c.source, documents.c.key).join(milestones, milestones.c.order_id == documents.c.id)
    found = session.execute(query.where(milestones.c.document_id == document_id)).first()
    return (found[0], found[1]) if found else (source, order_key)


def standings(session: Session) -> list[Standing]:
    """Everything that waits for something: events and deliveries by queue and state, with the oldest's time."""
    e, d = events.c, deliveries.c
    waiting = ("accepted", "waiting", "parked")
    open_states = ("ready", "queued", "claimed", "retrying", "deferred", "waiting", "parked")
    first = (
        select(e.domain, e["class"], e.state, func.count(), func.min(e.received_at))
        .where(e.state.in_(waiting))
        .group_by(e.domain, e["class"], e.state)
    )
    second = (
        select("deliver." + d.target, d["class"], d.state, func.count(), func.min(d.accepted_at))
        .where(d.state.in_(open_states))
        .group_by(d.target, d["class"], d.state)
    )
    rows: Sequence[Row[*tuple[Any, ...]]] = [*session.execute(first), *session.execute(second)]
    return [Standing(*row) for row in rows]


def _versions_of(session: Session, ids: Sequence[int]) -> list[VersionView]:
    c = versions.c
    query = select(c.document_id, c.version, c.event_id, c.written_at).where(c.document_id.in_(ids))
    return [VersionView(*row) for row in session.execute(query.order_by(c.written_at, c.document_id, c.version))]


def _attempts_of(session: Session, ids: Sequence[int]) -> list[AttemptView]:
    c = attempts.c
    query = select(c.delivery_id, c.started_at, c.ended_at, c.outcome, c.detail).where(c.delivery_id.in_(ids))
    return [AttemptView(*row) for row in session.execute(query.order_by(c.id))]


def _event_query() -> Select[*tuple[Any, ...]]:
    c = events.c
    return select(
        c.id, c.source, c.topic, c.event_key, c.domain, c["class"], c.state, c.waits_for, c.correlation_id,
        c.received_at, c.settled_at, c.failure_class, c.failure_code, c.failure_reason, c.failure_remedy,
        func.length(c.body), c.failed_at,
    )  # fmt: skip


def _document_query() -> Select[*tuple[Any, ...]]:
    c = documents.c
    return select(c.id, c.kind, c.source, c.key, c.number, c.order_key, c.version, c.status, c.as_of, c.updated_at)


def _delivery_query() -> Select[*tuple[Any, ...]]:
    c = deliveries.c
    return select(
        c.id, c.target, c.operation, c.business_key, c.version, c["class"], c.state, c.uncertain, c.attempts,
        c.remote_id, c.due_at, c.correlation_id, c.accepted_at, c.created_at, c.settled_at, c.failure_class,
        c.failure_code, c.failure_reason, c.failure_remedy, c.failed_at,
    )  # fmt: skip
