"""Remembers how work went lately, for those who plan: how long attempts took, how fast events came, all that stands to be done.

The first two look at the newest rows only. Counting what stands goes through its index, however much that is: it is for a
person who plans, not for a loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from ledger.schema import OPEN_ROWS, attempts, deliveries, events
from ledger.session import Session
from ledger.standing import LATEST, SUCCESSES, is_state

STANDING = ("ready", "queued", "retrying", "claimed", "deferred", "waiting")


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt: of how many requests it was to take, how long it took, and whether it worked."""

    target: str
    operation: str
    calls: int
    took_s: float
    worked: bool
    handed_back: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands to be posted to a target by one operation: rows, the requests they take, the oldest."""

    target: str
    operation: str
    rows: int
    calls: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """Events of one source and domain that wait to be prepared."""

    source: str
    domain: str
    rows: int
    oldest_at: datetime


def latest(session: Session, most: int = LATEST) -> list[Attempted]:
    """The newest attempts of all targets, the newest first."""
    a, d = attempts.c, deliveries.c
    query = (
        select(d.target, d.operation, d.calls, a.started_at, a.ended_at, a.outcome)
        .join(deliveries, d.id == a.delivery_id)
        .order_by(a.id.desc())
        .limit(most)
    )
    return [
        Attempted(
            target, operation, max(1, calls), (ended - started).total_seconds(), outcome in SUCCESSES, outcome == "HandedBack"
        )
        for target, operation, calls, started, ended, outcome in session.execute(query)
    ]


def inflow_per_s(session: Session, now: datetime, most: int = LATEST) -> float:
    """Events a second, over the newest ones; 0 where hardly any came."""
    newest = select(events.c.received_at).order_by(events.c.id.desc()).limit(most).subquery()
    count, first = session.execute(select(func.count(), func.min(newest.c.received_at))).one()
    return count / max(60.0, (now - first).total_seconds()) if count else 0.0


def standing(session: Session) -> list[Standing]:
    """Deliveries that are not done, by target and operation, with those that wait behind others; not what is parked."""
    c = deliveries.c
    told = (func.count(), func.coalesce(func.sum(c.calls), 0), func.min(c.accepted_at))
    found: dict[tuple[str, str], Standing] = {}
    for state in STANDING:
        here = (is_state(c.state, state), *(() if state == "waiting" else (OPEN_ROWS,)))
        query = select(c.target, c.operation, *told).where(*here).group_by(c.target, c.operation)
        for target, operation, rows, calls, oldest in session.execute(query):
            known = found.get((target, operation)) or Standing(target, operation, 0, 0, oldest)
            oldest_at = min(known.oldest_at, oldest)
            found[target, operation] = Standing(target, operation, known.rows + rows, known.calls + int(calls), oldest_at)
    return [found[place] for place in sorted(found)]


def unread(session: Session, domains: Sequence[str]) -> list[Unread]:
    """Events that wait to be prepared, by source and domain."""
    c = events.c
    query = (
        select(c.source, c.domain, func.count(), func.min(c.received_at))
        .where(is_state(c.state, "accepted"), c.domain.in_(domains))
        .group_by(c.source, c.domain)
        .order_by(c.source, c.domain)
    )
    return [Unread(*row) for row in session.execute(query)]
