"""Remembers the standing backlog for a change of peak profile: looked through part by part, its classes and rests changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, literal_column, null, select, tuple_, update

from ledger.deliveries import Ready
from ledger.delivery_statements import ready_columns
from ledger.schema import OPEN_ROWS, deliveries, documents, events, versions
from ledger.session import Session

STAGES = ("deferred", "waiting", "retrying", "ready", "queued")
"""States in which a delivery may still be changed, in the order in which they are gone through: a row that goes on meanwhile
comes into a later one."""

_MOVABLE = ("ready", "queued")


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery that waits, with what rules may ask of it; ``body`` and ``order_body`` None if they were not asked for."""

    id: int
    state: str
    target: str
    kind: str
    source: str
    topic: str
    domain: str
    cls: str
    calls: int
    created_at: datetime
    due_at: datetime | None
    body: str | None
    order_body: str | None


def part(session: Session, state: str, after: int, most: int, *, bodies: bool) -> list[Standing]:
    """Deliveries in a state behind number ``after``, by number; ``bodies`` with their documents and orders."""
    d, h, v, e = deliveries.c, documents.c, versions.c, events.c
    index = [OPEN_ROWS] if state != "waiting" else []
    chosen = select(d.id).where(d.state == literal_column(f"'{state}'"), d.id > after, *index).order_by(d.id).limit(most)
    columns = (v.body, case((h.kind != "order", _order_body()), else_=None)) if bodies else (null(), null())
    query = (
        select(
            d.id, d.state, d.target, h.kind, h.source, e.topic, d.domain, d["class"], d.calls, d.created_at, d.due_at, *columns,
        )
        .join(documents, h.id == d.document_id)
        .join(versions, and_(v.document_id == d.document_id, v.version == d.version))
        .join(events, e.id == v.event_id)
        .where(d.id.in_(list(session.execute(chosen).scalars())))
        .order_by(d.id)
    )  # fmt: skip
    return [Standing(*tuple(row)) for row in session.execute(query)]


def newest(session: Session) -> int:
    """The newest delivery's number."""
    return int(session.execute(select(func.coalesce(func.max(deliveries.c.id), 0))).scalar_one())


def move(session: Session, ids: Sequence[int], before: str, after: str) -> list[Ready]:
    """Give deliveries another class, unless they have gone on or have another one than ``before`` by now; returns those that need
    a message of their new class.
    """
    d = deliveries.c
    free = update(deliveries).where(d.id.in_(ids), d["class"] == before)
    session.execute(free.where(d.state.in_(("waiting", "retrying", "deferred"))).values({"class": after}))
    anew = free.where(d.state.in_(_MOVABLE)).values({"class": after, "state": "ready", "published_at": None})
    return [Ready(*row) for row in session.execute(anew.returning(*ready_columns()))]


def defer(session: Session, ids: Sequence[int], until: datetime) -> int:
    """Let deliveries that nobody works on rest until then. One that rested before, or was tried, is left alone, and so is one
    with something behind it that does not rest.
    """
    d, behind = deliveries.c, deliveries.alias("behind")
    held_up = select(behind.c.id).where(
        behind.c.entity == d.entity, behind.c.target == d.target, behind.c.id > d.id, behind.c.due_at.is_(None),
        behind.c.state == literal_column("'waiting'"),
    ).exists()  # fmt: skip
    free = update(deliveries).where(d.id.in_(ids), d.due_at.is_(None), ~held_up)
    resting = free.where(d.state.in_(_MOVABLE)).values(state="deferred", due_at=until, published_at=None)
    later = free.where(d.state == "waiting").values(due_at=until)
    return session.execute(resting).rowcount + session.execute(later).rowcount


def wake(session: Session, ids: Sequence[int], now: datetime) -> int:
    """Have deliveries that rest go on from now on."""
    d = deliveries.c
    resting = update(deliveries).where(d.id.in_(ids), d.state.in_(("deferred", "waiting")), d.due_at > now)
    return session.execute(resting.values(due_at=now)).rowcount


def wake_for(session: Session, orders: Sequence[tuple[str, str]], now: datetime) -> None:
    """Have what rests of these orders (target, entity) go on: something came behind it that does not rest."""
    d = deliveries.c
    resting = update(deliveries).where(
        tuple_(d.target, d.entity).in_(list(orders)), d.state.in_(("deferred", "waiting")), d.due_at > now
    )
    session.execute(resting.values(due_at=now))


def rested(session: Session, now: datetime) -> bool:
    """Whether the rest of any delivery is over."""
    d = deliveries.c
    over = select(d.id).where(d.state == literal_column("'deferred'"), d.due_at <= now, OPEN_ROWS).limit(1)
    return session.execute(over).first() is not None


def release(session: Session, now: datetime, most: int) -> list[Ready]:
    """Let those go whose rest is over, oldest first. They keep their time: what rested once does not rest again."""
    d = deliveries.c
    chosen = select(d.id).where(d.state == literal_column("'deferred'"), d.due_at <= now, OPEN_ROWS).order_by(d.id).limit(most)
    ids = list(session.execute(chosen).scalars())
    if not ids:
        return []
    freed = update(deliveries).where(d.id.in_(ids), d.state == "deferred").values(state="ready", published_at=None)
    return [Ready(*row) for row in session.execute(freed.returning(*ready_columns()))]


@dataclass(frozen=True, slots=True)
class Resting:
    """Deliveries of one place that wait for quiet hours, the first of them to go on and the last."""

    target: str
    domain: str
    cls: str
    count: int
    oldest_at: datetime
    first_until: datetime
    last_until: datetime


def resting(session: Session) -> list[Resting]:
    """What waits for quiet hours, by place."""
    d = deliveries.c
    by = (d.target, d.domain, d["class"])
    query = select(*by, func.count(), func.min(d.accepted_at), func.min(d.due_at), func.max(d.due_at))
    rows = session.execute(query.where(d.state == literal_column("'deferred'"), OPEN_ROWS).group_by(*by).order_by(*by))
    return [Resting(*row) for row in rows]


def placed(session: Session, entities: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The targets that each of these orders went to, or is to go to; those that went nowhere are left out."""
    d = deliveries.c
    met = select(d.entity, d.target).where(
        d.entity.in_(list(entities)), d.operation == "order.create", d.state.not_in(("dropped", "redirected"))
    )
    found: dict[str, list[str]] = {}
    for entity, target in session.execute(met.order_by(d.id)) if entities else ():
        found.setdefault(entity, []).append(target)
    return {entity: tuple(dict.fromkeys(targets)) for entity, targets in found.items()}


def _order_body() -> Any:
    h, order, told = documents.c, documents.alias("order_head"), versions.alias("order_version")
    return (
        select(told.c.body)
        .join(order, and_(told.c.document_id == order.c.id, told.c.version == order.c.version))
        .where(order.c.kind == "order", order.c.source == h.source, order.c.key == h.order_key)
        .correlate(documents)
        .scalar_subquery()
    )
