"""Remembers jobs of the failure desk: what was chosen, how far each is, and which process runs it now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, insert, literal, or_, select, update

from ledger.desk_schema import cases, job_items, jobs
from ledger.failures import FailureKey
from ledger.schema import deliveries, events
from ledger.session import Session

LIVE = ("running", "paused")
ENDED_DELIVERY = ("done", "dropped", "redirected")
ENDED_EVENT = ("done", "stale", "waiting", "dropped")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to write. ``patch``: changes as people write them, made to every delivery before it goes out."""

    filter: Mapping[str, object]
    patch: Sequence[str]
    ramp: Sequence[int]
    rate_per_s: float
    stop_above: float
    patience_s: float
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. ``told``: why it is not running, or what it ended with."""

    id: int
    state: str
    filter: Mapping[str, object]
    patch: Sequence[str]
    ramp: Sequence[int]
    rung: int
    rate_per_s: float
    stop_above: float
    patience_s: float
    by: str
    why: str
    told: str
    total: int
    created_at: datetime
    last_out_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A job's items by state: waiting for their turn, out, done, failed again, left alone."""

    waiting: int = 0
    out: int = 0
    done: int = 0
    failed: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Rung:
    """The items of a job's present rung, and since when the oldest is out."""

    out: int
    done: int
    failed: int
    oldest_out_at: datetime | None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a job. ``times``: which coming to the desk was chosen."""

    key: FailureKey
    times: int


def create(session: Session, new: NewJob, chosen: Any, now: datetime) -> int:
    """Write a job with all cases that ``chosen`` (a condition on cases) meets now; returns its id."""
    values = {
        "state": "running",
        "filter": dict(new.filter),
        "patch": list(new.patch),
        "ramp": list(new.ramp),
        "rung": 0,
        "rate_per_s": new.rate_per_s,
        "stop_above": new.stop_above,
        "patience_s": new.patience_s,
        "by_whom": new.by,
        "why": new.why,
        "told": "",
        "total": 0,
        "created_at": now,
    }
    job_id = int(session.execute(jobs.insert().values(**values).returning(jobs.c.id)).scalar_one())
    c = cases.c
    rows = select(literal(job_id), c.stage, c.row_id, c.times, literal("waiting")).where(chosen, c.stage != "message")
    total = session.execute(insert(job_items).from_select(["job_id", "stage", "row_id", "times", "state"], rows)).rowcount
    session.execute(update(jobs).where(jobs.c.id == job_id).values(total=total))
    return job_id


def find(session: Session, job_id: int, *, lock: bool = False) -> Job | None:
    """One job."""
    query = _query().where(jobs.c.id == job_id)
    row = session.execute(query.with_for_update() if lock else query).first()
    return Job(*row) if row else None


def listed(session: Session, most: int) -> list[Job]:
    """Jobs, newest first."""
    return [Job(*row) for row in session.execute(_query().order_by(jobs.c.id.desc()).limit(most))]


def live(session: Session) -> list[int]:
    """Ids of jobs that are not over, oldest first."""
    return list(session.execute(select(jobs.c.id).where(jobs.c.state.in_(LIVE)).order_by(jobs.c.id)).scalars())


def halted(session: Session) -> list[int]:
    """Ids of jobs that stopped because too much failed again, newest first."""
    return list(session.execute(select(jobs.c.id).where(jobs.c.state == "halted").order_by(jobs.c.id.desc())).scalars())


def progress(session: Session, job_id: int) -> Progress:
    """How far a job is."""
    return progress_of(session, [job_id])[job_id]


def progress_of(session: Session, job_ids: Sequence[int]) -> dict[int, Progress]:
    """How far each of these jobs is, by one query."""
    c = job_items.c
    found: dict[int, dict[str, int]] = {job_id: {} for job_id in job_ids}
    for job_id, state, count in session.execute(
        select(c.job_id, c.state, func.count()).where(c.job_id.in_(job_ids)).group_by(c.job_id, c.state)
    ):
        found[job_id][state] = int(count)
    return {job_id: Progress(**counts) for job_id, counts in found.items()}


def left(session: Session, job_id: int, most: int) -> list[tuple[FailureKey, str, str]]:
    """Items that failed again or were left alone, with what is known of it."""
    c = job_items.c
    query = select(c.stage, c.row_id, c.state, c.told).where(c.job_id == job_id, c.state.in_(("failed", "left")))
    rows = session.execute(query.order_by(c.stage, c.row_id).limit(most))
    return [(FailureKey(row[0], row[1]), row[2], row[3] or "") for row in rows]


def take(session: Session, job_id: int, token: str, now: datetime, until: datetime) -> Job | None:
    """Take or keep the lease of a live job; None if another process holds it, or the job is over."""
    c = jobs.c
    free = or_(c.lease.is_(None), c.lease == token, c.lease_until < now)
    statement = update(jobs).where(c.id == job_id, c.state.in_(LIVE), free).values(lease=token, lease_until=until)
    taken = session.execute(statement).rowcount > 0
    return find(session, job_id) if taken else None


def change(session: Session, job_id: int, **values: object) -> None:
    """Set columns of a job."""
    session.execute(update(jobs).where(jobs.c.id == job_id).values(**values))


def steer(session: Session, job_id: int, before: Sequence[str], **values: object) -> bool:
    """Set columns of a job that is in one of the states ``before``; False if it is not."""
    return session.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(before)).values(**values)).rowcount > 0


def note_ends(session: Session, job_id: int) -> None:
    """Note which items that are out have come to an end, by their rows' states."""
    for stage, table, ended in (("delivery", deliveries, ENDED_DELIVERY), ("event", events, ENDED_EVENT)):
        for after, states in (("done", ended), ("failed", ("parked",))):
            c, row = job_items.c, table.c
            met = select(row.id).where(row.id == c.row_id, row.state.in_(states)).exists()
            session.execute(
                update(job_items).where(c.job_id == job_id, c.state == "out", c.stage == stage, met).values(state=after)
            )


def rung(session: Session, job_id: int, number: int) -> Rung:
    """How the items of a rung stand."""
    c = job_items.c
    rows = session.execute(
        select(c.state, func.count(), func.min(c.out_at)).where(c.job_id == job_id, c.rung == number).group_by(c.state)
    )
    found = {row[0]: (int(row[1]), row[2]) for row in rows}
    counts = {state: found.get(state, (0, None))[0] for state in ("out", "done", "failed")}
    return Rung(**counts, oldest_out_at=found.get("out", (0, None))[1])


def next_items(session: Session, job_id: int, most: int) -> list[Item]:
    """The next items that wait for their turn."""
    c = job_items.c
    query = select(c.stage, c.row_id, c.times).where(c.job_id == job_id, c.state == "waiting")
    rows = session.execute(query.order_by(c.stage, c.row_id).limit(most))
    return [Item(FailureKey(row[0], row[1]), row[2]) for row in rows]


def mark(
    session: Session, job_id: int, key: FailureKey, state: str, *, told: str | None = None, rung: int | None = None,
    out_at: datetime | None = None,
) -> None:  # fmt: skip
    """Note what became of an item's turn."""
    c = job_items.c
    met = and_(c.job_id == job_id, c.stage == key.stage, c.row_id == key.id)
    session.execute(update(job_items).where(met).values(state=state, told=told, rung=rung, out_at=out_at))


def _query() -> Select[*tuple[Any, ...]]:
    c = jobs.c
    return select(
        c.id, c.state, c.filter, c.patch, c.ramp, c.rung, c.rate_per_s, c.stop_above, c.patience_s, c.by_whom, c.why, c.told,
        c.total, c.created_at, c.last_out_at, c.ended_at,
    )  # fmt: skip
