"""Remembers notices: what is to be told to whom. A notice waits in its row until its destination took it, or a day is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update

from ledger.session import Session
from ledger.watch_schema import notices

KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for one destination. ``key`` is the same at every attempt, so a receiver can tell a repeat."""

    id: int
    destination: str
    key: str
    body: Mapping[str, object]
    attempts: int
    created_at: datetime


def add(session: Session, destination: str, key: str, body: Mapping[str, object], now: datetime) -> None:
    """Write a notice, to be sent at once."""
    session.execute(
        insert(notices).values(
            destination=destination, key=key, body=dict(body), state="waiting", attempts=0, created_at=now, due_at=now, told=""
        )
    )


def take(session: Session, now: datetime, busy_s: float, most: int) -> list[Notice]:
    """Notices whose time has come. Taking one spends an attempt and puts it off by ``busy_s``, so nobody else sends it
    meanwhile and a sender that dies leaves it for the next.
    """
    c = notices.c
    due = select(c.id).where(c.state == "waiting", c.due_at <= now).order_by(c.id).limit(most)
    ids = list(session.execute(due.with_for_update(skip_locked=True)).scalars())
    later = now + timedelta(seconds=busy_s)
    session.execute(update(notices).where(c.id.in_(ids)).values(attempts=c.attempts + 1, due_at=later))
    taken = select(c.id, c.destination, c.key, c.body, c.attempts, c.created_at).where(c.id.in_(ids)).order_by(c.id)
    return [Notice(*row) for row in session.execute(taken)]


def sent(session: Session, notice_id: int, now: datetime) -> None:
    """The destination took it."""
    session.execute(update(notices).where(notices.c.id == notice_id).values(state="sent", ended_at=now, told=""))


def again(session: Session, notice_id: int, why: str, due_at: datetime) -> None:
    """It was not taken; try again then."""
    session.execute(update(notices).where(notices.c.id == notice_id).values(told=why[:200], due_at=due_at))


def give_up(session: Session, notice_id: int, why: str, now: datetime) -> None:
    """It will not be tried any more."""
    session.execute(update(notices).where(notices.c.id == notice_id).values(state="failed", ended_at=now, told=why[:200]))


def counts(session: Session) -> dict[str, int]:
    """Notices by state: waiting, sent, failed."""
    c = notices.c
    return {row[0]: int(row[1]) for row in session.execute(select(c.state, func.count()).group_by(c.state))}


def remove_old(session: Session, now: datetime) -> None:
    """Drop what ended a week ago."""
    session.execute(delete(notices).where(notices.c.ended_at < now - KEPT_FOR))
