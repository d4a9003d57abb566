"""Remembers what people changed: new versions of documents made from older ones, events' bodies with the original kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from ledger import cases
from ledger.actions import Actor
from ledger.desk_schema import edits
from ledger.documents import DocumentKey, DocumentRow
from ledger.schema import deliveries, documents, events, versions
from ledger.session import Session


@dataclass(frozen=True, slots=True)
class Base:
    """A delivery with the document it is of in its newest version: what an edit starts from."""

    delivery_id: int
    target: str
    operation: str
    state: str
    uncertain: bool
    version: int
    entity: str
    head: DocumentRow
    event_id: int
    body: str


@dataclass(frozen=True, slots=True)
class EventBase:
    """A parked event with its body as it stands."""

    id: int
    source: str
    topic: str
    headers: dict[str, str]
    body: bytes
    state: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit's lineage. ``paths`` are the places changed; of an event the original body is kept beside."""

    at: datetime
    by: str
    why: str
    base_version: int | None
    version: int | None
    paths: Sequence[str]


def delivery_base(session: Session, delivery_id: int, *, lock: bool = True) -> Base | None:
    """What an edit of a delivery starts from. Locks document, then delivery: the order in which preparing locks them."""
    d, h, v = deliveries.c, documents.c, versions.c
    document_id = session.execute(select(d.document_id).where(d.id == delivery_id)).scalar_one_or_none()
    if document_id is None:
        return None
    head_query = select(h.id, h.kind, h.source, h.key, h.version, h.status, h.as_of, h.digest).where(h.id == document_id)
    row_query = select(d.target, d.operation, d.state, d.uncertain, d.version, d.entity).where(d.id == delivery_id)
    if lock:
        head_query, row_query = head_query.with_for_update(), row_query.with_for_update()
    head = session.execute(head_query).one()
    row = session.execute(row_query).one()
    newest = session.execute(select(v.event_id, v.body).where(v.document_id == head.id, v.version == head.version)).one()
    known = DocumentRow(
        head.id, DocumentKey(head.kind, head.source, head.key), head.version, head.status, head.as_of, head.digest
    )
    return Base(delivery_id, *row, known, *newest)


def event_base(session: Session, event_id: int, *, lock: bool = True) -> EventBase | None:
    """What an edit of an event starts from."""
    e = events.c
    query = select(e.id, e.source, e.topic, e.headers, e.body, e.state, e.received_at).where(e.id == event_id)
    row = session.execute(query.with_for_update() if lock else query).first()
    return EventBase(row[0], row[1], row[2], dict(row[3]), bytes(row[4]), row[5], row[6]) if row else None


def point_at(session: Session, delivery_id: int, version: int) -> None:
    """Have a delivery post another version of its document."""
    session.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(version=version))


def supersede(session: Session, base: Base, version: int, now: datetime) -> list[int]:
    """Give up the effects that wait behind a delivery and carry states of the same document that ``version`` holds."""
    d = deliveries.c
    statement = (
        update(deliveries)
        .where(
            d.document_id == base.head.id,
            d.target == base.target,
            d.id > base.delivery_id,
            d.state == "waiting",
            d.version <= base.head.version,
        )
        .values(state="dropped", settled_at=now, failure_remedy=f"its state is part of the edited version {version}")
        .returning(d.id)
    )
    return list(session.execute(statement).scalars())


def put_body(session: Session, event_id: int, body: bytes) -> None:
    """Have an event read another body; the caller keeps the one before with `note`."""
    session.execute(update(events).where(events.c.id == event_id).values(body=body))


def note(
    session: Session,
    stage: str,
    row_id: int,
    paths: Sequence[str],
    actor: Actor,
    now: datetime,
    *,
    document_id: int | None = None,
    base_version: int | None = None,
    version: int | None = None,
    original: bytes | None = None,
) -> None:
    """Keep an edit's lineage."""
    session.execute(
        edits.insert().values(
            stage=stage, row_id=row_id, document_id=document_id, base_version=base_version, version=version, original=original,
            paths=list(paths), by_whom=actor.by, why=actor.why, at=now,
        )
    )  # fmt: skip


def of_row(session: Session, stage: str, row_id: int) -> list[Edit]:
    """The edits of a row, oldest first."""
    c = edits.c
    query = select(c.at, c.by_whom, c.why, c.base_version, c.version, c.paths)
    return [Edit(*row) for row in session.execute(query.where(c.stage == stage, c.row_id == row_id).order_by(c.id))]


def original_body(session: Session, event_id: int) -> bytes | None:
    """The body an edited event came with; None if it was never edited."""
    c = edits.c
    query = select(c.original).where(c.stage == "event", c.row_id == event_id).order_by(c.id).limit(1)
    found = session.execute(query).scalar_one_or_none()
    return None if found is None else bytes(found)


@dataclass(frozen=True, slots=True)
class Movable:
    """An unfinished delivery that can go to another target."""

    id: int
    state: str
    uncertain: bool
    document_id: int
    version: int
    operation: str
    business_key: str
    entity: str
    domain: str
    cls: str
    correlation_id: str
    accepted_at: datetime
    source: str
    body: str


def movable(session: Session, target: str, entity: str) -> list[Movable]:
    """The unfinished deliveries of an order at a target, in their order, locked behind the order's documents."""
    d, h, v = deliveries.c, documents.c, versions.c
    source, _, order_key = entity.partition("/")
    locked = select(h.id).where(h.source == source, h.order_key == order_key).order_by(h.id).with_for_update()
    session.execute(locked).all()
    query = (
        select(
            d.id, d.state, d.uncertain, d.document_id, d.version, d.operation, d.business_key, d.entity, d.domain, d["class"],
            d.correlation_id, d.accepted_at, h.source, v.body,
        )
        .join(documents, h.id == d.document_id)
        .join(versions, (v.document_id == d.document_id) & (v.version == d.version))
        .where(d.target == target, d.entity == entity, d.state.not_in(("done", "dropped", "redirected")))
        .order_by(d.id)
        .with_for_update(of=deliveries)
    )  # fmt: skip
    return [Movable(*tuple(row)) for row in session.execute(query)]


def at_target(session: Session, target: str, rows: Sequence[Movable]) -> dict[tuple[str, str, int], int]:
    """Which of these effects a target has as a delivery already, with its id."""
    d = deliveries.c
    found: dict[tuple[str, str, int], int] = {}
    for row in rows:
        same = (d.target == target, d.operation == row.operation, d.business_key == row.business_key, d.version == row.version)
        other = session.execute(select(d.id).where(*same)).scalar_one_or_none()
        if other is not None:
            found[row.operation, row.business_key, row.version] = other
    return found


def has_order(session: Session, target: str, entity: str) -> bool:
    """Whether the order is or will be at the target, by what the ledger knows."""
    d = deliveries.c
    query = select(d.id).where(
        d.target == target, d.entity == entity, d.operation == "order.create", d.state.not_in(("dropped", "redirected"))
    )
    return session.execute(query.limit(1)).first() is not None


def mark_redirected(session: Session, delivery_id: int, told: str, now: datetime) -> None:
    """Say on the original row where its effect went."""
    values = {"state": "redirected", "settled_at": now, "failure_remedy": told}
    session.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
    cases.close(session, "delivery", [delivery_id], now)
