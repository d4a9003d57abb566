"""Remembers deliveries while they are worked on: written, claimed, settled, and their successors let go."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Row,
    and_,
    func,
    or_,
    select,
    update,
)

from canonical.failure import Failure
from ledger import cases
from ledger import delivery_statements as statements
from ledger.delivery_statements import CLAIMABLE
from ledger.many import change, insert, keys
from ledger.rows import failure_values
from ledger.schema import attempts, deliveries
from ledger.session import Session

_HELD = ("id", "claim")


class NewDelivery(Struct, frozen=True):
    """One intended effect. ``failure`` set: it is written parked. ``entity`` names the order whose effects keep order.

    ``rests_until`` set: it waits for quiet hours, state ``deferred``, without a message until then.
    ``replaces_lost_before`` set: it carries a whole state, see `ledger.places`; an earlier one whose answer was lost before
    that moment cannot take effect any more.
    """

    document_id: int
    version: int
    target: str
    operation: str
    business_key: str
    entity: str
    domain: str
    cls: str
    calls: int
    references: Mapping[str, Mapping[str, str]]
    correlation_id: str
    accepted_at: datetime
    failure: Failure | None = None
    rests_until: datetime | None = None
    replaces_lost_before: datetime | None = None


class Ready(Struct, frozen=True):
    """A delivery that waits for its message: what is published next."""

    id: int
    target: str
    cls: str
    calls: int
    business_key: str
    correlation_id: str
    operation: str
    domain: str
    accepted_at: datetime


class Claimed(Struct, frozen=True):
    """A delivery this process may work on until its claim ends, with all that the posting takes."""

    id: int
    claim: str
    target: str
    operation: str
    version: int
    business_key: str
    entity: str
    domain: str
    cls: str
    references: Mapping[str, Mapping[str, str]]
    correlation_id: str
    uncertain: bool
    attempts: int
    lost_claims: int
    body: str
    order_body: str | None
    order_remote_id: str | None
    accepted_at: datetime
    calls: int


class Unclaimed(Struct, frozen=True):
    """A delivery that could not be claimed: its state and, if it is not finished, when to look again.

    ``cls`` below the message's class: it was moved down and goes on in its own class.
    """

    id: int
    state: str
    look_again_at: datetime | None
    calls: int
    cls: str


class Settlement(Struct, frozen=True):
    """What one attempt leads to. ``outcome`` and ``detail`` go to the story, the rest to the row."""

    id: int
    claim: str
    state: str
    outcome: str
    detail: str
    started_at: datetime
    remote_id: str | None = None
    attempts: int = 0
    uncertain: bool = False
    due_at: datetime | None = None
    failure: Failure | None = None


def busy_entities(session: Session, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which (target, entity) pairs have an unfinished delivery. Locks those rows: a settlement that runs at the same
    time either is seen here, or sees the delivery that is about to be written behind it.
    """
    wanted = sorted(set(pairs))
    if not wanted:
        return set()
    dialect = session.dialect.name
    found = session.execute(statements.busy(dialect), keys(dialect, statements.ENTITY, wanted))
    return {(target, entity) for target, entity in found}


def write(session: Session, new: Sequence[NewDelivery], now: datetime) -> list[Ready]:
    """Write intended effects once each; returns those that may go out now. Others wait behind their entity's earlier ones."""
    if not new:
        return []
    busy = busy_entities(session, ((d.target, d.entity) for d in new))
    rows = []
    for delivery in new:
        pair = (delivery.target, delivery.entity)
        state = "waiting" if pair in busy else _state_of(delivery)
        busy.add(pair)
        rows.append(_values(delivery, state, now))
    once = ("document_id", "version", "target", "operation")
    told = (*(column.name for column in statements.ready_columns()), "state")
    return _ready_of(session, insert(session, deliveries, rows, once=once, returning=told), now)


def claim(
    session: Session, ids: Sequence[int], token: str, now: datetime, due_before: datetime, until: datetime, cls: str = "low"
) -> tuple[list[Claimed], list[Unclaimed]]:
    """Take the deliveries of a message of class ``cls`` that are due before ``due_before``, for this process alone until
    ``until``; none of a lower class.

    A claim that ended without a settlement is taken over: its worker died, so its effect is uncertain.
    """
    given = {"ids": ids, "token": token, "now": now, "due_before": due_before, "until": until}
    taken = set(session.execute(statements.claim(session.dialect.name, cls), given).scalars().all())
    missed = [row_id for row_id in ids if row_id not in taken]
    return _read_claimed(session, taken), _read_unclaimed(session, missed)


def extend(session: Session, ids: Sequence[int], token: str, until: datetime) -> set[int]:
    """Keep a claim longer; returns the rows that are still ours."""
    c = deliveries.c
    statement = update(deliveries).where(c.id.in_(ids), c.claim == token, c.state == "claimed").values(claimed_until=until)
    return set(session.execute(statement.returning(c.id)).scalars())


def settle(session: Session, settlements: Sequence[Settlement], now: datetime) -> list[Ready]:
    """Write outcomes, each only if its claim still holds; returns the successors that may go out now."""
    if not settlements:
        return []
    alike = {"claim": None, "claimed_until": None, "published_at": None, "settled_at": now}
    well = [_settled_values(s) for s in settlements if s.failure is None]
    change(session, deliveries, well, by=_HELD, alike=alike | failure_values(None, now))
    failed = [_settled_values(s) | failure_values(s.failure, now) for s in settlements if s.failure is not None]
    change(session, deliveries, failed, by=_HELD, alike=alike)
    cases.open_deliveries(session, [s.id for s in settlements if s.failure is not None], now)
    insert(
        session,
        attempts,
        [
            {"delivery_id": s.id, "started_at": s.started_at, "ended_at": now, "outcome": s.outcome, "detail": s.detail}
            for s in settlements
        ],
    )
    finished = [s.id for s in settlements if s.state in ("done", "dropped")]
    return let_go(session, finished, now)


def let_go(session: Session, finished: Sequence[int], now: datetime) -> list[Ready]:
    """Make ready the first waiting delivery behind each finished one."""
    if not finished:
        return []
    found = session.execute(statements.let_go(session.dialect.name), {"ids": finished})
    return _ready_of(session, found.all(), now)


def let_go_stranded(session: Session, now: datetime) -> list[Ready]:
    """Make ready every waiting delivery that nothing unfinished stands before: the relay's net under `let_go`."""
    found = session.execute(statements.let_go_stranded())
    return _ready_of(session, found.all(), now)


def mark_published(session: Session, ids: Sequence[int], now: datetime) -> None:
    """Note that the broker confirmed the messages of these deliveries."""
    if ids:
        session.execute(statements.mark_published(session.dialect.name), {"ids": ids, "now": now})


def unpublished(session: Session, created_before: datetime, most: int) -> list[Ready]:
    """Deliveries that are ready and whose message was never confirmed, oldest first."""
    c = deliveries.c
    query = (
        select(*statements.ready_columns())
        .where(c.state == "ready", c.published_at.is_(None), func.coalesce(c.due_at, c.created_at) < created_before)
        .order_by(c.id)
        .limit(most)
    )
    return [Ready(*row) for row in session.execute(query)]


def overdue(session: Session, due_before: datetime, most: int) -> list[Ready]:
    """Deliveries whose retry or claim ended before ``due_before`` and that no message brought back: a lost rung."""
    c = deliveries.c
    query = (
        select(*statements.ready_columns())
        .where(
            or_(
                and_(c.state == "retrying", c.due_at < due_before),
                and_(c.state == "claimed", c.claimed_until < due_before),
            ),
            or_(c.published_at.is_(None), c.published_at < due_before),
        )
        .order_by(c.id)
        .limit(most)
    )
    return [Ready(*row) for row in session.execute(query)]


def published_before(session: Session, target: str, domain: str, cls: str, moment: datetime, most: int) -> list[Ready]:
    """Queued deliveries of one queue whose message was confirmed before ``moment``, oldest acceptance first."""
    c = deliveries.c
    query = (
        select(*statements.ready_columns())
        .where(c.state == "queued", c.target == target, c.domain == domain, c["class"] == cls, c.published_at < moment)
        # The order of the lane's index: by id alone the database may walk all that was ever delivered.
        .order_by(c.accepted_at)
        .limit(most)
    )
    return [Ready(*row) for row in session.execute(query)]


def _ready_of(session: Session, rows: Sequence[Row[Any]], now: datetime) -> list[Ready]:
    """Those of the returned rows that may go out; those that are parked come to the desk."""
    cases.open_deliveries(session, [row.id for row in rows if row.state == "parked"], now)
    return [Ready(*tuple(row)[:-1]) for row in rows if row.state == "ready"]


def _read_claimed(session: Session, taken: set[int]) -> list[Claimed]:
    if not taken:
        return []
    return [Claimed(*row) for row in session.execute(statements.claimed(session.dialect.name), {"ids": list(taken)}).all()]


def _read_unclaimed(session: Session, missed: Sequence[int]) -> list[Unclaimed]:
    if not missed:
        return []
    c = deliveries.c
    query = select(c.id, c.state, c.due_at, c.claimed_until, c.calls, c["class"].label("cls")).where(c.id.in_(missed))
    return [
        Unclaimed(
            row.id,
            row.state,
            {"claimed": row.claimed_until}.get(row.state, row.due_at if row.state in CLAIMABLE else None),
            row.calls,
            row.cls,
        )
        for row in session.execute(query)
    ]


def _state_of(new: NewDelivery) -> str:
    if new.failure is not None:
        return "parked"
    return "ready" if new.rests_until is None else "deferred"


def _settled_values(s: Settlement) -> dict[str, object]:
    return {
        "id": s.id,
        "claim": s.claim,
        "state": s.state,
        "remote_id": s.remote_id,
        "attempts": s.attempts,
        "uncertain": s.uncertain,
        "due_at": s.due_at,
    }


def _values(d: NewDelivery, state: str, now: datetime) -> dict[str, object]:
    return {
        "document_id": d.document_id,
        "version": d.version,
        "target": d.target,
        "operation": d.operation,
        "business_key": d.business_key,
        "entity": d.entity,
        "domain": d.domain,
        "class": d.cls,
        "calls": d.calls,
        "references": {kind: dict(refs) for kind, refs in d.references.items()},
        "correlation_id": d.correlation_id,
        "state": state,
        "uncertain": False,
        "attempts": 0,
        "lost_claims": 0,
        "due_at": None if d.failure else d.rests_until,
        "accepted_at": d.accepted_at,
        "created_at": now,
    } | failure_values(d.failure, now)
