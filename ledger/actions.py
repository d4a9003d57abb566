"""Remembers what operators did: who, when, to what, why, and how it stood before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from ledger.schema import actions
from ledger.session import Session


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts and why."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Action:
    """One deed. ``subject`` is a lane or a window (``deliver.netsuite``), a failure's key (``d34``) or a job (``job 5``)."""

    at: datetime
    by: str
    action: str
    subject: str
    reason: str
    before: Mapping[str, object]
    after: Mapping[str, object]


def write(session: Session, done: Action) -> None:
    """Note a deed, in the transaction that did it."""
    session.execute(
        insert(actions).values(
            at=done.at,
            by=done.by[:120],
            action=done.action,
            subject=done.subject,
            reason=done.reason,
            before=dict(done.before),
            after=dict(done.after),
        )
    )


def record(session: Session, actor: Actor, action: str, subjects: Sequence[str], now: datetime, **after: object) -> None:
    """Note one deed on many subjects. ``after`` holds no personal data: names, counts, paths, versions."""
    for subject in subjects:
        write(session, Action(now, actor.by, action, subject, actor.why, {}, after))


def listed(session: Session, subject: str, most: int) -> list[Action]:
    """Deeds on a subject, newest first."""
    c = actions.c
    query = (
        select(c.at, c.by, c.action, c.subject, c.reason, c.before, c.after)
        .where(c.subject == subject)
        .order_by(c.id.desc())
        .limit(most)
    )
    return [Action(*row) for row in session.execute(query)]
