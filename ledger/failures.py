"""Remembers what is parked and gives it back to work: the failure desk's rows, of events, deliveries and dead letters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select, update

from ledger import cases
from ledger.deliveries import Ready, let_go
from ledger.delivery_statements import ready_columns
from ledger.events import Waiting
from ledger.rows import failure_values
from ledger.schema import dead_letters, deliveries, documents, events, versions
from ledger.session import Session

Stage = Literal["event", "delivery", "message"]
LETTER_OF: dict[Stage, str] = {"event": "e", "delivery": "d", "message": "m"}


@dataclass(frozen=True, slots=True)
class FailureKey:
    """Names one parked thing: ``e12`` an event, ``d34`` a delivery, ``m5`` a dead message that names no row."""

    stage: Stage
    id: int

    def __str__(self) -> str:
        return f"{LETTER_OF[self.stage]}{self.id}"

    @classmethod
    def read(cls, text: str) -> "FailureKey":
        """Parse ``e12``. Raises ValueError with the grammar."""
        for stage, letter in LETTER_OF.items():
            if text[:1] == letter and text.isascii() and text[1:].isdecimal():
                return cls(stage, int(text[1:]))
        raise ValueError(f"{text!r} names no failure: e12 is an event, d34 a delivery, m5 a dead message")


@dataclass(frozen=True, slots=True)
class ParkedDelivery:
    """What a parked delivery needs to be enriched anew: its target, document and version."""

    id: int
    target: str
    source: str
    body: str


def lock_events(session: Session, ids: Sequence[int]) -> list[FailureKey]:
    """Lock the parked ones of these events in one order: two that retry the same rows wait for each other, no deadlock."""
    c = events.c
    locked = select(c.id).where(c.id.in_(ids), c.state == "parked").order_by(c.id).with_for_update()
    return [FailureKey("event", row_id) for row_id in session.execute(locked).scalars()]


def retry_events(session: Session, ids: Sequence[int], now: datetime) -> list[Waiting]:
    """Give parked events back to work; returns those to publish. One that is not parked (any more) is left alone."""
    c = events.c
    statement = (
        update(events)
        .where(c.id.in_(ids), c.state == "parked")
        .values(state="accepted", published_at=None, waits_for=None, settled_at=None, **failure_values(None, now))
        .returning(c.id, c.domain, c["class"], c.received_at)
    )
    back = [Waiting(*row) for row in session.execute(statement)]
    cases.close(session, "event", [row.id for row in back], now)
    return back


def parked_deliveries(session: Session, ids: Sequence[int]) -> list[ParkedDelivery]:
    """Read parked deliveries for enriching, locked."""
    d = deliveries.c
    query = (
        select(d.id, d.target, documents.c.source, versions.c.body)
        .join(documents, documents.c.id == d.document_id)
        .join(versions, (versions.c.document_id == d.document_id) & (versions.c.version == d.version))
        .where(d.id.in_(ids), d.state == "parked")
        .order_by(d.id)
        .with_for_update(of=deliveries)
    )
    return [ParkedDelivery(*row) for row in session.execute(query)]


def retry_delivery(session: Session, delivery_id: int, references: Mapping[str, Mapping[str, str]], now: datetime) -> list[Ready]:
    """Give a parked delivery back to work with fresh references and attempts. Its doubt stays: it is looked up first."""
    c = deliveries.c
    cases.close(session, "delivery", [delivery_id], now)
    statement = (
        update(deliveries)
        .where(c.id == delivery_id, c.state == "parked")
        .values(
            state="ready",
            attempts=0,
            lost_claims=0,
            due_at=None,
            published_at=None,
            references={kind: dict(refs) for kind, refs in references.items()},
            **failure_values(None, now),
        )
        .returning(*ready_columns())
    )
    return [Ready(*row) for row in session.execute(statement)]


def lower(session: Session, delivery_ids: Sequence[int], event_ids: Sequence[int]) -> None:
    """Have rows that are replayed by a job served as class low, behind live traffic."""
    for table, ids in ((deliveries, delivery_ids), (events, event_ids)):
        if ids:
            session.execute(update(table).where(table.c.id.in_(ids)).values({"class": "low"}))


def drop_delivery(session: Session, delivery_id: int, reason: str, now: datetime) -> tuple[bool, list[Ready]]:
    """Give a parked delivery up for good: its effect was made by hand, or is not wanted. Its successors may go.

    ``reason`` takes the place of the remedy: it is what was done.
    """
    c = deliveries.c
    given_up = {"state": "dropped", "settled_at": now, "failure_remedy": f"given up: {reason}"}
    statement = update(deliveries).where(c.id == delivery_id, c.state == "parked").values(**given_up).returning(c.id)
    dropped = list(session.execute(statement).scalars())
    cases.close(session, "delivery", dropped, now)
    return bool(dropped), let_go(session, dropped, now)


def drop_event(session: Session, event_id: int, reason: str, now: datetime) -> bool:
    """Give a parked event up for good; ``reason`` takes the place of the remedy."""
    c = events.c
    given_up = {"state": "dropped", "settled_at": now, "failure_remedy": f"given up: {reason}"}
    statement = update(events).where(c.id == event_id, c.state == "parked").values(**given_up).returning(c.id)
    dropped = list(session.execute(statement).scalars())
    cases.close(session, "event", dropped, now)
    return bool(dropped)


def drop_message(session: Session, letter_id: int, now: datetime) -> bool:
    """Take a dead message off the desk."""
    c = dead_letters.c
    statement = update(dead_letters).where(c.id == letter_id, c.state == "filed").values(state="dropped")
    cases.close(session, "message", [letter_id], now)
    return session.execute(statement).rowcount > 0
