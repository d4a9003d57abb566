"""Remembers maintenance windows, and of each occurrence how far its canary came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.schema import attempts, deliveries, window_runs, windows
from ledger.session import Session

KEPT = timedelta(days=40)
"""A window that was once, and an occurrence, counts no more this long after its start."""

_ACCEPTED = ("Done", "AlreadyDone")
_MOST_ATTEMPTS = 5_000


@dataclass(frozen=True, slots=True)
class NewWindow:
    """A window as an operator gives it: once (``starts_at``), or weekly (``weekdays`` as digits from 0, Monday; ``local_time``
    as HH:MM; ``zone``).
    """

    lane: str
    starts_at: datetime | None
    weekdays: str | None
    local_time: str | None
    zone: str | None
    duration_s: float
    announce_s: float
    drain_s: float
    canary: int
    ramp_s: float
    reason: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WindowRow(NewWindow):
    """A window in the ledger."""

    id: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """What came of one occurrence."""

    window_id: int
    starts_at: datetime
    canary_at: datetime | None
    accepted: int
    opened_at: datetime | None
    skipped_at: datetime | None


def add(session: Session, new: NewWindow) -> int:
    """Write a window; returns its number."""
    values = {name: getattr(new, name) for name in NewWindow.__dataclass_fields__}
    return int(session.execute(insert(windows).values(**values).returning(windows.c.id)).scalar_one())


def cancel(session: Session, window_id: int, now: datetime) -> bool:
    """End a window for good; False if there is none of that number or it is cancelled already."""
    c = windows.c
    ended = update(windows).where(c.id == window_id, c.cancelled_at.is_(None)).values(cancelled_at=now)
    return session.execute(ended).rowcount > 0


def skip(session: Session, window_id: int, starts_at: datetime, now: datetime) -> None:
    """Leave one occurrence out."""
    _change_run(session, window_id, starts_at, {"skipped_at": now})


def let_canary(session: Session, window_id: int, starts_at: datetime, now: datetime) -> None:
    """Let the canary of an occurrence go from now on, before the window's end."""
    _change_run(session, window_id, starts_at, {"canary_at": now})


def in_force(session: Session, now: datetime) -> tuple[list[WindowRow], list[RunRow]]:
    """Windows that are not cancelled nor long past, by number, and what came of their occurrences."""
    c, r = windows.c, window_runs.c
    columns = [c[name] for name in NewWindow.__dataclass_fields__]
    lately = now - KEPT
    query: Select[*tuple[Any, ...]] = select(*columns, c.id).where(
        c.cancelled_at.is_(None), or_(c.starts_at.is_(None), c.starts_at > lately)
    )
    found = [WindowRow(*row) for row in session.execute(query.order_by(c.id))]
    if not found:
        return [], []
    runs = (
        select(r.window_id, r.starts_at, r.canary_at, r.accepted, r.opened_at, r.skipped_at)
        .where(r.starts_at > lately, r.window_id.in_([row.id for row in found]))
        .order_by(r.window_id, r.starts_at)
    )
    return found, [RunRow(*row) for row in session.execute(runs)]


def note_accepted(session: Session, window_id: int, starts_at: datetime, target: str, needed: int, now: datetime) -> None:
    """Count what the target has accepted since the canary of an occurrence began; ``needed`` of them open the lane at ``now``.

    Meant to be called about once a second while the canary is under way, by any number of workers. It goes by the attempts
    written since the last call, so what else the fleet delivers meanwhile is read once.
    """
    r = window_runs.c
    here = and_(r.window_id == window_id, r.starts_at == starts_at)
    run = session.execute(select(r.seen_attempt, r.accepted, r.opened_at).where(here).with_for_update()).first()
    if run is None or run.seen_attempt is None:
        newest = session.execute(select(func.coalesce(func.max(attempts.c.id), 0))).scalar_one()
        return _change_run(session, window_id, starts_at, {"seen_attempt": newest})
    if run.opened_at is not None:
        return None
    seen = _attempts_after(session, run.seen_attempt)
    if not seen:
        return None
    accepted = run.accepted + sum(outcome in _ACCEPTED and of == target for _, outcome, of in seen)
    opened = {"opened_at": now} if accepted >= needed else {}
    session.execute(update(window_runs).where(here).values(seen_attempt=seen[-1][0], accepted=accepted, **opened))
    return None


def _attempts_after(session: Session, attempt_id: int) -> Sequence[Any]:
    a = attempts.c
    query = (
        select(a.id, a.outcome, deliveries.c.target)
        .join(deliveries, deliveries.c.id == a.delivery_id)
        .where(a.id > attempt_id)
        .order_by(a.id)
        .limit(_MOST_ATTEMPTS)
    )
    return session.execute(query).all()


def _change_run(session: Session, window_id: int, starts_at: datetime, values: dict[str, object]) -> None:
    made = (postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert)(window_runs)
    row = {"window_id": window_id, "starts_at": starts_at, "accepted": 0} | values
    session.execute(made.values(**row).on_conflict_do_update(index_elements=["window_id", "starts_at"], set_=values))
