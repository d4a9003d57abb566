"""Remembers deliveries while they are worked on: written, claimed, settled, and their successors let go."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from canonical.failure import Failure
from ledger.rows import failure_values
from ledger.schema import attempts, deliveries, documents, versions
from ledger.session import Session

UNFINISHED = ("waiting", "ready", "queued", "claimed", "retrying", "parked")
CLAIMABLE = ("ready", "queued", "retrying")


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One intended effect. ``failure`` set: it is written parked. ``entity`` names the order whose effects keep order."""

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


@dataclass(frozen=True, slots=True)
class Ready:
    """A delivery that waits for its message: what is published next."""

    id: int
    target: str
    cls: str
    calls: int
    business_key: str
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery this process may work on until its claim ends, with all that the posting takes."""

    id: int
    claim: str
    target: str
    operation: str
    version: int
    business_key: str
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


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A delivery that could not be claimed: its state and, if it is not finished, when to look again."""

    id: int
    state: str
    look_again_at: datetime | None
    calls: int


@dataclass(frozen=True, slots=True)
class Settlement:
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
    c = deliveries.c
    query = (
        select(c.target, c.entity)
        .where(tuple_(c.target, c.entity).in_(wanted), c.state.in_(UNFINISHED))
        .order_by(c.id)
        .with_for_update()
    )
    return {(target, entity) for target, entity in session.execute(query)}


def write(session: Session, new: Sequence[NewDelivery], now: datetime) -> list[Ready]:
    """Write intended effects once each; returns those that may go out now. Others wait behind their entity's earlier ones."""
    if not new:
        return []
    busy = busy_entities(session, ((d.target, d.entity) for d in new))
    rows = []
    for delivery in new:
        pair = (delivery.target, delivery.entity)
        state = "waiting" if pair in busy else "parked" if delivery.failure else "ready"
        busy.add(pair)
        rows.append(_values(delivery, state, now))
    insert = postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert
    c = deliveries.c
    statement = (
        insert(deliveries)
        .on_conflict_do_nothing(index_elements=["target", "operation", "business_key", "version"])
        .returning(c.id, c.target, c["class"], c.calls, c.business_key, c.correlation_id, c.state)
    )
    return [Ready(*row[:6]) for row in session.execute(statement, rows) if row.state == "ready"]


def claim(
    session: Session, ids: Sequence[int], token: str, now: datetime, due_before: datetime, until: datetime
) -> tuple[list[Claimed], list[Unclaimed]]:
    """Take the deliveries of a message that are due before ``due_before``, for this process alone until ``until``.

    A claim that ended without a settlement is taken over: its worker died, so its effect is uncertain.
    """
    c = deliveries.c
    lost = c.state == "claimed"
    free = and_(c.state.in_(CLAIMABLE), or_(c.due_at.is_(None), c.due_at <= due_before))
    statement = (
        update(deliveries)
        .where(c.id.in_(ids), or_(free, and_(lost, c.claimed_until <= now)))
        .values(
            state="claimed",
            claim=token,
            claimed_until=until,
            uncertain=or_(c.uncertain, lost),
            lost_claims=c.lost_claims + case((lost, 1), else_=0),
        )
        .returning(c.id)
    )
    taken = set(session.execute(statement).scalars())
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
    c = deliveries.c
    session.execute(
        update(deliveries).where(c.id == bindparam("row"), c.claim == bindparam("token")),
        [_settled_values(s, now) for s in settlements],
    )
    session.execute(
        attempts.insert(),
        [
            {"delivery_id": s.id, "started_at": s.started_at, "ended_at": now, "outcome": s.outcome, "detail": s.detail}
            for s in settlements
        ],
    )
    finished = [s.id for s in settlements if s.state in ("done", "dropped")]
    return let_go(session, finished)


def let_go(session: Session, finished: Sequence[int]) -> list[Ready]:
    """Make ready the first waiting delivery behind each finished one."""
    if not finished:
        return []
    c = deliveries.c
    pairs = select(c.target, c.entity).where(c.id.in_(finished))
    return _ready_first_waiting(session, tuple_(c.target, c.entity).in_(pairs))


def let_go_stranded(session: Session) -> list[Ready]:
    """Make ready every waiting delivery that nothing unfinished stands before: the relay's net under `let_go`."""
    return _ready_first_waiting(session, deliveries.c.state == "waiting")


def mark_published(session: Session, ids: Sequence[int], now: datetime) -> None:
    """Note that the broker confirmed the messages of these deliveries."""
    if ids:
        c = deliveries.c
        session.execute(
            update(deliveries)
            .where(c.id.in_(ids), c.state.in_(CLAIMABLE))
            .values(published_at=now, state=case((c.state == "ready", "queued"), else_=c.state))
        )


def unpublished(session: Session, created_before: datetime, most: int) -> list[Ready]:
    """Deliveries that are ready and whose message was never confirmed, oldest first."""
    c = deliveries.c
    query = (
        select(*_ready_columns())
        .where(c.state == "ready", c.published_at.is_(None), func.coalesce(c.due_at, c.created_at) < created_before)
        .order_by(c.id)
        .limit(most)
    )
    return [Ready(*row) for row in session.execute(query)]


def overdue(session: Session, due_before: datetime, most: int) -> list[Ready]:
    """Deliveries whose retry or claim ended before ``due_before`` and that no message brought back: a lost rung."""
    c = deliveries.c
    query = (
        select(*_ready_columns())
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


def published_before(session: Session, target: str, cls: str, moment: datetime, most: int) -> list[Ready]:
    """Queued deliveries of one queue whose message was confirmed before ``moment``."""
    c = deliveries.c
    query = (
        select(*_ready_columns())
        .where(c.state == "queued", c.target == target, c["class"] == cls, c.published_at < moment)
        .order_by(c.id)
        .limit(most)
    )
    return [Ready(*row) for row in session.execute(query)]


def _ready_first_waiting(session: Session, chosen: ColumnElement[bool]) -> list[Ready]:
    c = deliveries.c
    earlier = deliveries.alias("earlier")
    blocked = (
        select(earlier.c.id)
        .where(
            earlier.c.target == c.target,
            earlier.c.entity == c.entity,
            earlier.c.id < c.id,
            earlier.c.state.in_(UNFINISHED),
        )
        .exists()
    )
    statement = (
        update(deliveries)
        .where(c.state == "waiting", chosen, ~blocked)
        .values(
            # A delivery that was written with a failure goes to the desk when its turn comes, not to the target.
            state=case((c.failure_class.is_not(None), "parked"), else_="ready"),
            published_at=None,
        )
        .returning(*_ready_columns(), c.state)
    )
    return [Ready(*row[:6]) for row in session.execute(statement) if row.state == "ready"]


def _ready_columns() -> tuple[Column[Any], ...]:
    c = deliveries.c
    return c.id, c.target, c["class"], c.calls, c.business_key, c.correlation_id


def _read_claimed(session: Session, taken: set[int]) -> list[Claimed]:
    if not taken:
        return []
    c, heads, bodies = deliveries.c, documents.c, versions.c
    order = documents.alias("order_head")
    order_version = versions.alias("order_version")
    create = deliveries.alias("order_create")
    order_remote = (
        select(create.c.remote_id)
        .where(
            create.c.target == c.target,
            create.c.entity == c.entity,
            create.c.operation == "order.create",
            create.c.state == "done",
        )
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            c.id, c.claim, c.target, c.operation, c.version, c.business_key, c.domain, c["class"].label("cls"), c.references,
            c.correlation_id, c.uncertain, c.attempts, c.lost_claims, bodies.body, order_version.c.body.label("order_body"),
            order_remote.label("order_remote_id"), c.accepted_at, c.calls,
        )
        .join(documents, heads.id == c.document_id)
        .join(versions, and_(bodies.document_id == c.document_id, bodies.version == c.version))
        .outerjoin(
            order,
            and_(
                heads.kind != "order",
                order.c.kind == "order",
                order.c.source == heads.source,
                order.c.key == heads.order_key,
            ),
        )
        .outerjoin(
            order_version,
            and_(order_version.c.document_id == order.c.id, order_version.c.version == order.c.version),
        )
        .where(c.id.in_(taken))
        .order_by(c.id)
    )  # fmt: skip
    return [Claimed(**row) for row in session.execute(query).mappings()]


def _read_unclaimed(session: Session, missed: Sequence[int]) -> list[Unclaimed]:
    if not missed:
        return []
    c = deliveries.c
    query = select(c.id, c.state, c.due_at, c.claimed_until, c.calls).where(c.id.in_(missed))
    return [
        Unclaimed(
            row.id,
            row.state,
            {"claimed": row.claimed_until}.get(row.state, row.due_at if row.state in CLAIMABLE else None),
            row.calls,
        )
        for row in session.execute(query)
    ]


def _settled_values(s: Settlement, now: datetime) -> dict[str, object]:
    return {
        "row": s.id,
        "token": s.claim,
        "state": s.state,
        "remote_id": s.remote_id,
        "attempts": s.attempts,
        "uncertain": s.uncertain,
        "due_at": s.due_at,
        "claim": None,
        "claimed_until": None,
        "published_at": None,
        "settled_at": now,
    } | failure_values(s.failure, now)


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
        "accepted_at": d.accepted_at,
        "created_at": now,
    } | failure_values(d.failure, now)
