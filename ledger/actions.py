"""Remembers who did what at the failure desk, and why: the one place where such rows are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from ledger.desk_schema import actions
from ledger.session import Session


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts and why."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done. ``subject`` is a failure's key (d34) or a job (job 5)."""

    at: datetime
    by: str
    verb: str
    subject: str
    why: str
    detail: Mapping[str, object]


def write(session: Session, actor: Actor, verb: str, subjects: Sequence[str], now: datetime, **detail: object) -> None:
    """Keep one row a subject. ``detail`` holds no personal data: names, counts, paths, versions."""
    if subjects:
        row = {"at": now, "by_whom": actor.by, "verb": verb, "why": actor.why, "detail": detail}
        session.execute(actions.insert(), [row | {"subject": subject} for subject in subjects])


def of_subject(session: Session, subject: str) -> list[Action]:
    """What was done to it, oldest first."""
    c = actions.c
    query = select(c.at, c.by_whom, c.verb, c.subject, c.why, c.detail).where(c.subject == subject).order_by(c.id)
    return [Action(*row) for row in session.execute(query)]
