"""Remembers how attempts ended lately, by target, and what no message carries yet: what those who look at a trouble ask first."""

from datetime import datetime

from sqlalchemy import func, select

from ledger.schema import deliveries, events
from ledger.session import Session
from ledger.standing import is_state, latest_attempts


def lately(session: Session, target: str, since: datetime) -> dict[str, int]:
    """How many of the newest attempts at a target ended how since then; of the 2 000 newest of all targets."""
    latest = latest_attempts()
    query = (
        select(latest.c.outcome, func.count())
        .join(deliveries, latest.c.delivery_id == deliveries.c.id)
        .where(latest.c.ended_at >= since, deliveries.c.target == target)
        .group_by(latest.c.outcome)
    )
    return {row[0]: int(row[1]) for row in session.execute(query)}


def newest(session: Session, target: str, since: datetime, most: int) -> list[str]:
    """How the newest attempts at a target ended since then, the newest first; of the 2 000 newest of all targets."""
    latest = latest_attempts()
    query = select(latest.c.outcome).join(deliveries, latest.c.delivery_id == deliveries.c.id)
    query = query.where(latest.c.ended_at >= since, deliveries.c.target == target)
    return list(session.execute(query.order_by(latest.c.ended_at.desc()).limit(most)).scalars())


def unpublished(session: Session, most: int) -> int:
    """Rows that wait for their message, counted up to ``most`` of each kind."""
    e, d = events.c, deliveries.c
    told = select(e.id).where(is_state(e.state, "accepted"), e.published_at.is_(None)).limit(most).subquery()
    ready = select(d.id).where(is_state(d.state, "ready"), d.published_at.is_(None)).limit(most).subquery()
    counts = [session.execute(select(func.count()).select_from(some)).scalar_one() for some in (told, ready)]
    return sum(int(count) for count in counts)
