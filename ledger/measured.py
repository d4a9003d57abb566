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

STANDING = ("ready", "queued", "retrying", "claimed", "deferred")


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
    """What stands to be posted of one place: rows, the requests they take, the oldest."""

    target: str
    domain: str
    cls: str
    rows: int
    calls: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """Events of one domain and class that wait to be prepared."""

    domain: str
    cls: str
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
    """Deliveries that are not done, by target, domain and class; not those that are parked or wait behind others."""
    c = deliveries.c
    by = (c.target, c.domain, c["class"])
    found: dict[tuple[str, str, str], Standing] = {}
    for state in STANDING:
        told = (func.count(), func.sum(c.calls), func.min(c.accepted_at))
        for target, domain, cls, rows, calls, oldest in session.execute(
            select(*by, *told).where(is_state(c.state, state), OPEN_ROWS).group_by(*by)
        ):
            known = found.get((target, domain, cls), Standing(target, domain, cls, 0, 0, oldest))
            found[target, domain, cls] = Standing(
                target, domain, cls, known.rows + rows, known.calls + int(calls), min(known.oldest_at, oldest)
            )
    return [found[place] for place in sorted(found)]


def unread(session: Session, domains: Sequence[str]) -> list[Unread]:
    """Events that wait to be prepared, by domain and class."""
    c = events.c
    query = (
        select(c.domain, c["class"], func.count(), func.min(c.received_at))
        .where(is_state(c.state, "accepted"), c.domain.in_(domains))
        .group_by(c.domain, c["class"])
    )
    return [Unread(*row) for row in sorted(session.execute(query).tuples())]
