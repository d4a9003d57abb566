"""Remembers what is parked as cases of the failure desk: opened in the transaction that parks, closed in the one that frees."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ColumnElement, Executable, and_, case, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from canonical.cause import cause_of
from ledger.desk_schema import cases
from ledger.documents import body_of_its_order
from ledger.schema import dead_letters, deliveries, documents, events, versions
from ledger.session import Session

MICROS = 1_000_000
_ONCE = 500
"""Rows looked up by one statement."""


def open_deliveries(session: Session, ids: Iterable[int], now: datetime) -> int:
    """Open a case for each of these deliveries that is parked; returns how many."""
    return _open(session, _parked_deliveries, list(ids), now)


def open_events(session: Session, ids: Iterable[int], now: datetime) -> int:
    """Open a case for each of these events that is parked; returns how many."""
    return _open(session, _parked_events, list(ids), now)


def open_messages(session: Session, ids: Iterable[int], now: datetime) -> int:
    """Open a case for each of these filed dead letters that name no row."""
    return _open(session, _filed_messages, list(ids), now)


def close(session: Session, stage: str, ids: Sequence[int], now: datetime) -> None:
    """Close the cases of rows that left the desk: given back to work, dropped or redirected."""
    c = cases.c
    for some in _parts(ids):
        session.execute(
            update(cases).where(c.stage == stage, c.row_id.in_(some), c.state != "closed").values(state="closed", closed_at=now)
        )


def missing(session: Session, most: int) -> dict[str, list[int]]:
    """Parked rows that have no case, by stage: those that were parked before the desk kept cases. Reads only."""
    d, e, m, c = deliveries.c, events.c, dead_letters.c, cases.c

    def without(stage: str, row_id: Column[Any]) -> ColumnElement[bool]:
        return ~select(c.row_id).where(c.stage == stage, c.row_id == row_id, c.state != "closed").exists()

    late = {
        "delivery": select(d.id).where(d.state == "parked", without("delivery", d.id)),
        "event": select(e.id).where(e.state == "parked", without("event", e.id)),
        "message": select(m.id).where(m.state == "filed", m.task.is_(None), without("message", m.id)),
    }
    return {stage: list(session.execute(query.limit(most)).scalars()) for stage, query in late.items()}


def open_missing(session: Session, found: Mapping[str, Sequence[int]], now: datetime) -> int:
    """Open the cases that `missing` found; returns how many."""
    opened = open_deliveries(session, found["delivery"], now) + open_events(session, found["event"], now)
    return opened + open_messages(session, found["message"], now)


def _open(session: Session, found: Callable[[Sequence[int]], Executable], ids: Sequence[int], now: datetime) -> int:
    opened = 0
    for some in _parts(ids):
        rows = [_values(dict(row), now) for row in session.execute(found(some)).mappings()]
        if rows:
            session.execute(_upsert(session), rows)
        opened += len(rows)
    return opened


def _parked_deliveries(ids: Sequence[int]) -> Executable:
    d, heads, bodies = deliveries.c, documents.c, versions.c
    return (
        select(
            literal("delivery").label("stage"), d.id, d.failure_class, d.failure_code, d.failure_reason, d.failed_at,
            heads.source, d.target, d.operation, d.entity, d.business_key,
            case((heads.kind == "shipment", body_of_its_order()), else_=bodies.body).label("body"),
        )
        .join(documents, heads.id == d.document_id)
        .join(versions, and_(bodies.document_id == d.document_id, bodies.version == d.version))
        .where(d.id.in_(ids), d.state == "parked")
    )  # fmt: skip


def _parked_events(ids: Sequence[int]) -> Executable:
    e = events.c
    nothing = literal(None)
    return select(
        literal("event").label("stage"), e.id, e.failure_class, e.failure_code, e.failure_reason, e.failed_at, e.source,
        literal("").label("target"), e.topic.label("operation"), nothing.label("entity"), e.event_key.label("business_key"),
        nothing.label("body"),
    ).where(e.id.in_(ids), e.state == "parked")  # fmt: skip


def _filed_messages(ids: Sequence[int]) -> Executable:
    m = dead_letters.c
    nothing = literal(None)
    return select(
        literal("message").label("stage"), m.id, literal("malformed").label("failure_class"),
        ("message." + m.reason).label("failure_code"), literal("a message could not be read as a task").label("failure_reason"),
        m.died_at.label("failed_at"), literal("").label("source"), m.family.label("target"), m.queue.label("operation"),
        nothing.label("entity"), m.queue.label("business_key"), nothing.label("body"),
    ).where(m.id.in_(ids), m.state == "filed", m.task.is_(None))  # fmt: skip


def _values(row: dict[str, Any], now: datetime) -> dict[str, object]:
    cause = cause_of(row["failure_code"] or "", row["failure_reason"] or "")
    currency, amount = _money(row["body"])
    failed_at = row["failed_at"] or now
    return {
        "stage": row["stage"],
        "row_id": row["id"],
        "state": "open",
        "times": 1,
        "class": row["failure_class"] or "defect",
        "code": row["failure_code"] or "",
        "cause": cause.text,
        "fingerprint": cause.fingerprint,
        "source": row["source"],
        "target": row["target"],
        "operation": row["operation"],
        "entity": row["entity"],
        "business_key": row["business_key"],
        "currency": currency,
        "amount_micros": amount,
        "first_at": failed_at,
        "last_at": failed_at,
    }


def _money(body: str | None) -> tuple[str | None, int | None]:
    """Currency and total in millionths, of an order's or return's canonical JSON: its amounts are text of at most 6 decimals."""
    told = json.loads(body) if body else {}
    if "total" not in told or "currency" not in told:
        return None, None
    return told["currency"], int(Decimal(told["total"]) * MICROS)


def _upsert(session: Session) -> Executable:
    """A row that fails again keeps its first moment and who it was given to; its archiving ends."""
    insert = (postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert)(cases)
    kept = {"stage", "row_id", "times", "first_at", "assigned_to", "due_at", "closed_at"}
    anew: dict[str, Any] = {column.name: insert.excluded[column.name] for column in cases.c if column.name not in kept}
    anew["times"] = cases.c.times + case((cases.c.state == "closed", 1), else_=0)
    anew["due_at"] = None
    anew["closed_at"] = None
    return insert.on_conflict_do_update(index_elements=["stage", "row_id"], set_=anew)


def _parts(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _ONCE] for start in range(0, len(ids), _ONCE))


def occurrences(session: Session, stage: str, ids: Sequence[int]) -> dict[int, tuple[str, int]]:
    """State of each row's case, and how many times it came to the desk."""
    c = cases.c
    found: dict[int, tuple[str, int]] = {}
    for some in _parts(ids):
        query = select(c.row_id, c.state, c.times).where(c.stage == stage, c.row_id.in_(some))
        found |= {row.row_id: (row.state, row.times) for row in session.execute(query)}
    return found


def given(session: Session, stage: str, ids: Sequence[int]) -> dict[int, tuple[str | None, datetime | None]]:
    """Whom each row's case was given to and until when, locked; None where the rules say."""
    c = cases.c
    found: dict[int, tuple[str | None, datetime | None]] = {}
    for some in _parts(ids):
        query = select(c.row_id, c.assigned_to, c.due_at).where(c.stage == stage, c.row_id.in_(some)).with_for_update()
        found |= {row.row_id: (row.assigned_to, row.due_at) for row in session.execute(query)}
    return found


def assign(session: Session, stage: str, ids: Sequence[int], owner: str | None, due_at: datetime | None) -> list[int]:
    """Give cases to an owner (None: to whom the rules say) until ``due_at`` (None: as the rules say); returns those met."""
    c = cases.c
    met = update(cases).where(c.stage == stage, c.row_id.in_(ids), c.state != "closed")
    return list(session.execute(met.values(assigned_to=owner, due_at=due_at).returning(c.row_id)).scalars())


def move(session: Session, stage: str, ids: Sequence[int], before: str, after: str) -> list[int]:
    """Archive (open to archived) or restore (archived to open); returns the cases that stood so."""
    c = cases.c
    met = update(cases).where(c.stage == stage, c.row_id.in_(ids), c.state == before)
    return list(session.execute(met.values(state=after).returning(c.row_id)).scalars())
