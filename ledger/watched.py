"""Remembers what is watched, for metrics and alerts: small bounded looks at what stands in the way. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, true

from ledger.desk_schema import cases
from ledger.schema import OPEN_ROWS, actions, dead_letters, deliveries, events
from ledger.session import Session

MOST_COUNTED = 10_000
MOST_RECENT = 1_000


@dataclass(frozen=True, slots=True)
class Heap:
    """Rows of one kind: how many (at most MOST_COUNTED are counted) and since when the oldest of them is there."""

    name: str
    count: int
    oldest_at: datetime


def unsent(session: Session) -> list[Heap]:
    """Events and deliveries whose message no broker has confirmed."""
    e, d = events.c, deliveries.c
    told = select(e.received_at.label("since")).where(e.state == "accepted", e.published_at.is_(None)).order_by(e.id)
    ready = select(d.created_at.label("since")).where(d.state == "ready", d.published_at.is_(None), OPEN_ROWS).order_by(d.id)
    return [heap for name, rows in (("event", told), ("delivery", ready)) for heap in _heap(session, name, rows)]


def uncertain(session: Session) -> list[Heap]:
    """Deliveries whose effect at the target is in doubt, by target; of each state MOST_COUNTED rows are looked at."""
    c = deliveries.c
    found: dict[str, Heap] = {}
    for state, index in (("claimed", OPEN_ROWS), ("retrying", OPEN_ROWS), ("parked", true())):
        looked = (
            select(c.target, c.accepted_at, c.uncertain)
            .where(c.state == state, index)
            .order_by(c.id)
            .limit(MOST_COUNTED)
            .subquery()
        )
        rows = looked.c
        query = select(rows.target, func.count(), func.min(rows.accepted_at)).where(rows.uncertain).group_by(rows.target)
        for target, count, oldest_at in session.execute(query):
            known = found.get(target, Heap(target, 0, oldest_at))
            found[target] = Heap(target, known.count + count, min(known.oldest_at, oldest_at))
    return list(found.values())


def dead_lettered(session: Session, since: datetime) -> int:
    """Messages that were dead-lettered since then, at most MOST_RECENT."""
    c = dead_letters.c
    latest = select(c.died_at).order_by(c.id.desc()).limit(MOST_RECENT).subquery()
    return int(session.execute(select(func.count()).where(latest.c.died_at >= since)).scalar_one())


def poisoned(session: Session, since: datetime) -> int:
    """Open cases of poison that failed last since then."""
    c = cases.c
    looked = select(c["class"], c.last_at).where(c.state == "open").limit(MOST_COUNTED).subquery()
    met = (looked.c["class"] == "poison", looked.c.last_at >= since)
    return int(session.execute(select(func.count()).select_from(looked).where(*met)).scalar_one())


def deeds(session: Session) -> list[tuple[str, int]]:
    """What operators did so far, by kind of deed."""
    c = actions.c
    return [(action, int(count)) for action, count in session.execute(select(c.action, func.count()).group_by(c.action))]


def ages(heaps: Sequence[Heap], now: datetime) -> dict[str, float]:
    """Seconds since the oldest of each heap."""
    return {heap.name: max(0.0, (now - heap.oldest_at) / timedelta(seconds=1)) for heap in heaps}


def _heap(session: Session, name: str, rows: Select[tuple[datetime]]) -> list[Heap]:
    some = rows.limit(MOST_COUNTED).subquery()
    count, oldest_at = session.execute(select(func.count(), func.min(some.c.since))).one()
    return [Heap(name, int(count), oldest_at)] if count else []
