"""Remembers how orders fare outside: promises to customers, cycle times, warehouses' confirmations. Cheap at any backlog.

Each figure is of the latest rows of a window, MOST_LOOKED_AT at most; a channel is the source that told the order.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from ledger.journey_schema import journeys, milestones
from ledger.performance import MOST_LOOKED_AT, quantile
from ledger.schema import deliveries, documents
from ledger.session import Session


@dataclass(frozen=True, slots=True)
class Promised:
    """Promises of one channel that fell due: delivered in time, delivered late, not delivered as far as anybody told."""

    channel: str
    kept: int
    late: int
    missing: int


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds from one moment to another, of ``count`` orders or returns; ``name`` is a channel or a step."""

    name: str
    count: int
    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How many orders or returns of a channel lack something, and since when the oldest does."""

    channel: str
    count: int
    oldest_at: datetime


def promises(session: Session, since: datetime, now: datetime) -> list[Promised]:
    """What became of the promises that fell due in between."""
    j = journeys.c
    due = (
        select(j.order_id, j.promised_by, j.delivered_at)
        .where(j.promised_by >= since, j.promised_by < now)
        .order_by(j.promised_by.desc())
        .limit(MOST_LOOKED_AT)
        .subquery()
    )
    result = case((due.c.delivered_at.is_(None), "missing"), (due.c.delivered_at <= due.c.promised_by, "kept"), else_="late")
    each = select(documents.c.source, result.label("result")).join(documents, documents.c.id == due.c.order_id).subquery()
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for source, name, count in session.execute(
        select(each.c.source, each.c.result, func.count()).group_by(each.c.source, each.c.result)
    ):
        found[source][name] = count
    return [Promised(name, *(told.get(r, 0) for r in ("kept", "late", "missing"))) for name, told in sorted(found.items())]


def cycles(session: Session, since: datetime) -> list[Took]:
    """From the placing of an order to its last delivery, of those delivered since then, by channel."""
    j = journeys.c
    some = (
        select(j.order_id, j.placed_at, j.delivered_at)
        .where(j.delivered_at >= since)
        .order_by(j.delivered_at.desc())
        .limit(MOST_LOOKED_AT)
        .subquery()
    )
    query = select(documents.c.source, some.c.placed_at, some.c.delivered_at).join(documents, documents.c.id == some.c.order_id)
    return _took(session.execute(query.where(some.c.placed_at.is_not(None))))


def confirmations(session: Session, since: datetime) -> list[Took]:
    """From the ERP's taking of an order to the first word of a warehouse, of those confirmed since then, by channel."""
    j, d = journeys.c, deliveries.c
    some = (
        select(j.order_id, j.confirmed_at)
        .where(j.confirmed_at >= since)
        .order_by(j.confirmed_at.desc())
        .limit(MOST_LOOKED_AT)
        .subquery()
    )
    query = (
        select(documents.c.source, func.min(d.settled_at), some.c.confirmed_at)
        .join(documents, documents.c.id == some.c.order_id)
        .join(deliveries, (d.document_id == some.c.order_id) & (d.operation == "order.create") & (d.state == "done"))
        .group_by(some.c.order_id, documents.c.source, some.c.confirmed_at)
    )
    return _took(session.execute(query))


def unconfirmed(session: Session, within_s: Mapping[str, float], now: datetime) -> list[Standing]:
    """Orders of these sources that the ERP took longer ago than their warehouse has to confirm, and that it did not confirm.

    Of the MOST_LOOKED_AT effects of the whole fleet that are the youngest of those whose time can be over: among the latest of
    all, a busy fleet would have none that is old enough.
    """
    rows: list[tuple[str, datetime]] = []
    for allowed_s in sorted(set(within_s.values())):
        channels = [channel for channel, its_s in within_s.items() if its_s == allowed_s]
        rows += _unconfirmed(session, channels, now - timedelta(seconds=allowed_s))
    return standing(rows)


def _unconfirmed(session: Session, channels: Sequence[str], due: datetime) -> Iterator[tuple[str, datetime]]:
    d = deliveries.c
    looked = select(d.document_id, d.operation, d.state, d.settled_at).where(d.id <= _last_before(session, due))
    latest = looked.order_by(d.id.desc()).limit(MOST_LOOKED_AT).subquery()
    query = (
        select(documents.c.source, latest.c.settled_at)
        .join(documents, documents.c.id == latest.c.document_id)
        .outerjoin(journeys, journeys.c.order_id == latest.c.document_id)
        .where(
            latest.c.operation == "order.create",
            latest.c.state == "done",
            latest.c.settled_at < due,
            documents.c.status != "cancelled",
            documents.c.source.in_(channels),
            journeys.c.confirmed_at.is_(None),
        )
    )
    yield from ((source, at) for source, at in session.execute(query))


def _last_before(session: Session, moment: datetime) -> int:
    """Id of the last delivery written before then, 0 if there is none; found by halving: ids are given in order of time."""
    d = deliveries.c
    low, high = 0, session.execute(select(func.max(d.id))).scalar_one() or 0
    while low < high:
        middle = (low + high + 1) // 2
        found, written_at = session.execute(select(d.id, d.created_at).where(d.id >= middle).order_by(d.id).limit(1)).one()
        low, high = (found, high) if written_at < moment else (low, middle - 1)
    return low


def reached(session: Session, steps: Iterable[str], since: datetime) -> dict[str, int]:
    """How often each step was taken since then; what shows MOST_LOOKED_AT has at least so many."""
    m = milestones.c
    some = {step: select(m.step).where(m.step == step, m.at >= since).limit(MOST_LOOKED_AT).subquery() for step in steps}
    return {step: session.execute(select(func.count()).select_from(rows)).scalar_one() for step, rows in some.items()}


def standing(rows: Iterable[tuple[str, datetime]]) -> list[Standing]:
    """Rows of a channel and a moment, as one figure a channel."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for channel, at in rows:
        found[channel].append(at)
    return [Standing(channel, len(moments), min(moments)) for channel, moments in sorted(found.items())]


def _took(rows: Iterable[tuple[str, datetime, datetime]]) -> list[Took]:
    found: dict[str, list[float]] = defaultdict(list)
    for name, began, ended in rows:
        found[name].append(max(0.0, (ended - began).total_seconds()))
    return [took(name, seconds) for name, seconds in sorted(found.items())]


def took(name: str, seconds: list[float]) -> Took:
    """The seconds of one channel or step, at least one, as its percentiles."""
    ordered = sorted(seconds)
    return Took(name, len(ordered), quantile(ordered, 0.5) or 0.0, quantile(ordered, 0.95) or 0.0)
