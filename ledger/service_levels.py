"""Remembers how the service levels are kept: everything that came in is judged once, when the time it was promised is over.

An order that nobody works on never ends, so what has ended cannot tell how many were late. Rows are therefore taken in the order
they were written, and each is judged at its deadline: kept, late or parked. A cursor a flow and stage remembers how far that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Float, and_, case, delete, extract, func, insert, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.schema import deliveries, events
from ledger.session import Session
from ledger.watch_schema import service_cursors, service_minutes

MOST_ROWS = 5_000
"""Rows of one flow and stage that one round looks at."""
KEPT_FOR = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Promise:
    """A flow, what belongs to it, and how long it may take from the event's acceptance to the target's answer."""

    flow: str
    domain: str
    operation: str
    within_s: float


@dataclass(frozen=True, slots=True)
class Level:
    """How often a flow's promise was kept so far, and how it was missed."""

    flow: str
    kept: int
    late: int
    parked: int


@dataclass(frozen=True, slots=True)
class Misses:
    """A flow's judgements within a stretch of time."""

    kept: int = 0
    missed: int = 0

    @property
    def ratio(self) -> float:
        """Part that was missed; 0 where nothing was judged."""
        judged = self.kept + self.missed
        return self.missed / judged if judged else 0.0


def judge(session: Session, promises: Sequence[Promise], now: datetime) -> int:
    """Judge what became due, at most MOST_ROWS a flow and stage; returns how many rows. The first look starts at what is
    written from then on.
    """
    judged = 0
    for promise in promises:
        kept = late = parked = 0
        for stage in ("event", "delivery"):
            found = _stage(session, promise, stage, now)
            kept, late, parked = kept + found[0], late + found[1], parked + found[2]
        if kept or late or parked:
            _note_minute(session, promise.flow, now, kept, late + parked)
        judged += kept + late + parked
    return judged


def levels(session: Session) -> list[Level]:
    """Every flow with its judgements so far."""
    c = service_cursors.c
    query = select(c.flow, func.sum(c.kept), func.sum(c.late), func.sum(c.parked)).group_by(c.flow).order_by(c.flow)
    return [Level(flow, int(kept), int(late), int(parked)) for flow, kept, late, parked in session.execute(query)]


def misses(session: Session, since: datetime) -> dict[str, Misses]:
    """Judgements since a moment, by flow."""
    c = service_minutes.c
    query = select(c.flow, func.sum(c.kept), func.sum(c.missed)).where(c.minute >= since).group_by(c.flow)
    return {flow: Misses(int(kept), int(missed)) for flow, kept, missed in session.execute(query)}


def forget(session: Session, now: datetime) -> None:
    """Drop minutes that no window reaches back to any more; the sums stay."""
    session.execute(delete(service_minutes).where(service_minutes.c.minute < now - KEPT_FOR))


def _stage(session: Session, promise: Promise, stage: str, now: datetime) -> tuple[int, int, int]:
    c = service_cursors.c
    here = and_(c.flow == promise.flow, c.stage == stage)
    last_id = session.execute(select(c.last_id).where(here).with_for_update()).scalar()
    if last_id is None:
        _begin(session, promise, stage)
        return 0, 0, 0
    due = now - timedelta(seconds=promise.within_s)
    upto = _due_upto(session, stage, last_id, due)
    if upto is None:
        return 0, 0, 0
    told = _events(session, promise, last_id, upto) if stage == "event" else _deliveries(session, promise, last_id, upto)
    kept, late, parked = told
    session.execute(
        update(service_cursors).where(here).values(last_id=upto, kept=c.kept + kept, late=c.late + late, parked=c.parked + parked)
    )
    return told


def _begin(session: Session, promise: Promise, stage: str) -> None:
    newest = session.execute(select(func.max((events if stage == "event" else deliveries).c.id))).scalar() or 0
    values = {"flow": promise.flow, "stage": stage, "last_id": newest, "kept": 0, "late": 0, "parked": 0}
    make = (postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert)(service_cursors)
    session.execute(make.values(values).on_conflict_do_nothing())


def _due_upto(session: Session, stage: str, last_id: int, due: datetime) -> int | None:
    """The last row of the next stretch that was written before ``due``; None if the first one was not."""
    ids, written = (events.c.id, events.c.received_at) if stage == "event" else (deliveries.c.id, deliveries.c.created_at)
    stretch = select(ids, written).where(ids > last_id).order_by(ids)
    first = session.execute(stretch.limit(1)).first()
    if first is None or first[1] > due:
        return None
    some = stretch.limit(MOST_ROWS).subquery()
    return session.execute(select(func.max(some.c[ids.name])).where(some.c[written.name] <= due)).scalar()


def _events(session: Session, promise: Promise, after: int, upto: int) -> tuple[int, int, int]:
    """Events that never became deliveries in time. What was prepared is judged by its deliveries."""
    c = events.c
    query = select(_count(c.state == "accepted"), _count(c.state == "parked")).where(
        c.id > after, c.id <= upto, c.domain == promise.domain
    )
    late, parked = session.execute(query).one()
    return 0, int(late), int(parked)


def _deliveries(session: Session, promise: Promise, after: int, upto: int) -> tuple[int, int, int]:
    """Deliveries written within their promise; one that was written later is judged already, as an event."""
    c = deliveries.c
    done_in_time = and_(c.state == "done", _age_s(session, c.settled_at) <= promise.within_s)
    query = select(
        _count(done_in_time),
        _count(and_(c.state.not_in(("parked", "dropped", "redirected")), ~func.coalesce(done_in_time, False))),
        _count(c.state == "parked"),
    ).where(
        c.id > after, c.id <= upto, c.operation == promise.operation, _age_s(session, c.created_at) <= promise.within_s
    )  # fmt: skip
    kept, late, parked = session.execute(query).one()
    return int(kept), int(late), int(parked)


def _age_s(session: Session, moment: ColumnElement[datetime]) -> ColumnElement[float]:
    """Seconds from an event's acceptance to a moment of its delivery."""
    accepted = deliveries.c.accepted_at
    if session.dialect.name == "postgresql":
        return type_coerce(extract("epoch", moment - accepted), Float)
    return (func.julianday(moment) - func.julianday(accepted)) * 86_400.0


def _count(met: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((met, 1), else_=0)), 0)


def _note_minute(session: Session, flow: str, now: datetime, kept: int, missed: int) -> None:
    minute = now.replace(second=0, microsecond=0)
    c = service_minutes.c
    here = and_(c.flow == flow, c.minute == minute)
    changed = session.execute(update(service_minutes).where(here).values(kept=c.kept + kept, missed=c.missed + missed))
    if changed.rowcount == 0:
        session.execute(insert(service_minutes).values(flow=flow, minute=minute, kept=kept, missed=missed))
