"""Remembers dead letters: messages the broker gave up on, filed by the recorder, and the rows they named."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from canonical.failure import Failure
from ledger import cases
from ledger.rows import failure_values
from ledger.schema import dead_letters, deliveries, events
from ledger.session import Session

MOST_BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class NewDeadLetter:
    """A message off a dead queue: where it died, why by the broker's word, the task and rows it named if readable."""

    family: str
    queue: str
    reason: str
    task: str | None
    rows: tuple[int, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A filed dead letter."""

    id: int
    family: str
    queue: str
    reason: str
    task: str | None
    rows: tuple[int, ...]
    died_at: datetime
    state: str


def file(session: Session, letter: NewDeadLetter, failure: Failure, now: datetime) -> int:
    """File a dead letter and park the unfinished rows it named; returns how many rows were parked."""
    filed = session.execute(
        dead_letters.insert()
        .values(
            family=letter.family,
            queue=letter.queue,
            reason=letter.reason,
            task=letter.task,
            rows=list(letter.rows),
            body=letter.body[:MOST_BODY_BYTES],
            died_at=now,
            state="filed",
        )
        .returning(dead_letters.c.id)
    ).scalar_one()
    if not letter.rows:
        cases.open_messages(session, [filed], now)
        return 0
    if letter.family.startswith("deliver."):
        statement = (
            update(deliveries)
            .where(deliveries.c.id.in_(letter.rows), deliveries.c.state.in_(("ready", "queued", "claimed", "retrying")))
            .values(state="parked", claim=None, uncertain=True, **failure_values(failure, now))
            .returning(deliveries.c.id)
        )
    else:
        statement = (
            update(events)
            .where(events.c.id.in_(letter.rows), events.c.state == "accepted")
            .values(state="parked", **failure_values(failure, now))
            .returning(events.c.id)
        )
    parked = list(session.execute(statement).scalars())
    (cases.open_deliveries if letter.family.startswith("deliver.") else cases.open_events)(session, parked, now)
    return len(parked)


def listed(session: Session, most: int) -> Sequence[DeadLetter]:
    """Filed dead letters, newest first."""
    c = dead_letters.c
    query = select(c.id, c.family, c.queue, c.reason, c.task, c.rows, c.died_at, c.state).order_by(c.id.desc()).limit(most)
    return [
        DeadLetter(r.id, r.family, r.queue, r.reason, r.task, tuple(r.rows), r.died_at, r.state) for r in session.execute(query)
    ]
