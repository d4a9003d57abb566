"""Remembers which peak profile is in force, how it came to be, and which are to come into force when."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import insert, null, select, update

from ledger import controls
from ledger.peak_schema import peak_changes, peak_schedule
from ledger.session import Session

PEAK = "peak"
SOURCED = "peak.sourced"
_LOCK = "peak.lock"
_KEEPER = "peak.keeper"

Profile = Mapping[str, Any]
"""A profile as it was when it came into force; a file that is changed later changes nothing."""
Deed = Literal["apply", "schedule", "revert", "end", "guard"]
ScheduleState = Literal["due", "applied", "cancelled", "missed"]

BEGINNING = ""
"""The place in the backlog before its first row."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The profile in force. ``ends_at`` None: until somebody takes it back; then ``previous`` is in force again, None the fleet
    file alone.
    """

    change: int
    name: str
    profile: Profile
    since: datetime
    by: str
    why: str
    ends_at: datetime | None
    previous: "InForce | None" = None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of what is in force; ``name`` None: the fleet file alone. ``moved`` rows of the standing backlog until now;
    ``settled_at`` None: it is still being gone through, at ``place``.
    """

    id: int
    at: datetime
    by: str
    reason: str
    action: str
    name: str | None
    profile: Profile | None
    before_name: str | None
    before_profile: Profile | None
    before_since: datetime | None
    ends_at: datetime | None
    place: str
    moved: int
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A profile that is to come into force at ``starts_at``; ``zone`` is that in which it was said."""

    id: int
    name: str
    profile: Profile
    starts_at: datetime
    ends_at: datetime | None
    zone: str
    by: str
    reason: str
    created_at: datetime
    state: str
    settled_at: datetime | None


def in_force(session: Session) -> InForce | None:
    """The profile in force, None if the fleet file alone is."""
    return read(controls.some(session, [PEAK]).get(PEAK))


def read(told: Mapping[str, Any] | None) -> InForce | None:
    """What the control `peak` says."""
    if not told:
        return None
    ends_at = told.get("ends_at")
    return InForce(
        change=int(told["change"]),
        name=str(told["name"]),
        profile=dict(told["profile"]),
        since=datetime.fromisoformat(told["since"]),
        by=str(told["by"]),
        why=str(told["why"]),
        ends_at=datetime.fromisoformat(ends_at) if ends_at else None,
        previous=read(told.get("previous")),
    )


def lock(session: Session, now: datetime) -> None:
    """Have changes of what is in force wait for each other until this transaction's end."""
    controls.put(session, _LOCK, {}, now)


def put(session: Session, standing: InForce | None, now: datetime) -> None:
    """Put a profile in force, or the fleet file alone."""
    if standing is None:
        controls.remove(session, PEAK)
    else:
        controls.put(session, PEAK, _plain(standing), now)


def note_sourced(session: Session, now: datetime) -> None:
    """Note for good that orders may have gone elsewhere than the fleet file says."""
    controls.put(session, SOURCED, {"since": now.isoformat()}, now)


def note_change(
    session: Session, deed: Deed, by: str, reason: str, before: InForce | None, name: str | None, profile: Profile | None,
    ends_at: datetime | None, now: datetime,
) -> int:  # fmt: skip
    """Write a change; returns its number. The standing backlog is still to be put under it."""
    values = {
        "at": now, "by": by[:120], "reason": reason, "action": deed, "name": name,
        "profile": null() if profile is None else dict(profile),
        "before_name": before.name if before else None,
        "before_profile": dict(before.profile) if before else null(),
        "before_since": before.since if before else None,
        "ends_at": ends_at, "place": BEGINNING, "moved": 0,
    }  # fmt: skip
    statement = insert(peak_changes).values(**values).returning(peak_changes.c.id)
    return int(session.execute(statement).scalar_one())


def history(session: Session, most: int) -> list[Change]:
    """Changes, newest first."""
    query = select(*_columns(peak_changes, Change)).order_by(peak_changes.c.id.desc()).limit(most)
    return [Change(*row) for row in session.execute(query)]


def unsettled(session: Session) -> list[Change]:
    """Changes that the standing backlog was not wholly put under, newest first."""
    c = peak_changes.c
    query = select(*_columns(peak_changes, Change)).where(c.settled_at.is_(None)).order_by(c.id.desc())
    return [Change(*row) for row in session.execute(query)]


def settle_before(session: Session, change_id: int, now: datetime) -> None:
    """Note that what an earlier change left undone was done with this one."""
    c = peak_changes.c
    earlier = update(peak_changes).where(c.id < change_id, c.settled_at.is_(None))
    session.execute(earlier.values(settled_at=now))


def note_place(session: Session, change_id: int, place: str, moved: int, settled_at: datetime | None) -> None:
    """Note how far the standing backlog was gone through, and how many more rows were moved."""
    c = peak_changes.c
    values = {"place": place, "moved": c.moved + moved, "settled_at": settled_at}
    session.execute(update(peak_changes).where(c.id == change_id).values(**values))


def schedule(
    session: Session, name: str, profile: Profile, starts_at: datetime, ends_at: datetime | None, zone: str, by: str, reason: str,
    now: datetime,
) -> int:  # fmt: skip
    """Have a profile come into force by itself; returns the entry's number."""
    values = {
        "name": name, "profile": dict(profile), "starts_at": starts_at, "ends_at": ends_at, "zone": zone, "by": by[:120],
        "reason": reason, "created_at": now, "state": "due",
    }  # fmt: skip
    return int(session.execute(insert(peak_schedule).values(**values).returning(peak_schedule.c.id)).scalar_one())


def scheduled(session: Session, most: int, *, every: bool = False) -> list[Scheduled]:
    """Entries that are to come, by their start; ``every``: also those that are over, newest first."""
    c = peak_schedule.c
    query = select(*_columns(peak_schedule, Scheduled)).limit(most)
    query = query.order_by(c.id.desc()) if every else query.where(c.state == "due").order_by(c.starts_at, c.id)
    return [Scheduled(*row) for row in session.execute(query)]


def to_come(session: Session, entry_id: int) -> Scheduled | None:
    """The entry of a number, if it is still to come."""
    c = peak_schedule.c
    row = session.execute(select(*_columns(peak_schedule, Scheduled)).where(c.id == entry_id, c.state == "due")).one_or_none()
    return Scheduled(*row) if row else None


def due(session: Session, now: datetime) -> list[Scheduled]:
    """Entries whose start has come, the earliest first."""
    c = peak_schedule.c
    query = select(*_columns(peak_schedule, Scheduled)).where(c.state == "due", c.starts_at <= now)
    return [Scheduled(*row) for row in session.execute(query.order_by(c.starts_at, c.id))]


def settle_scheduled(session: Session, entry_id: int, state: ScheduleState, now: datetime) -> bool:
    """Say what became of an entry; False if it is not due any more: done by another process, or cancelled."""
    c = peak_schedule.c
    ended = update(peak_schedule).where(c.id == entry_id, c.state == "due").values(state=state, settled_at=now)
    return session.execute(ended).rowcount > 0


def keeper(session: Session) -> tuple[str, datetime] | None:
    """Which process looks after what is in force, and until when it said so."""
    told = controls.some(session, [_KEEPER]).get(_KEEPER)
    return (str(told["token"]), datetime.fromisoformat(str(told["until"]))) if told else None


def keep(session: Session, token: str, now: datetime, until: datetime) -> bool:
    """Become or stay the process that looks after it; False while another one does."""
    lock(session, now)
    held = keeper(session)
    if held is not None and held[0] != token and held[1] > now:
        return False
    controls.put(session, _KEEPER, {"token": token, "until": until.isoformat()}, now)
    return True


def let_go(session: Session, token: str) -> None:
    """Leave it to the next process at once."""
    held = keeper(session)
    if held is not None and held[0] == token:
        controls.remove(session, _KEEPER)


def _plain(standing: InForce) -> dict[str, Any]:
    told = asdict(standing)
    told |= {"since": standing.since.isoformat(), "ends_at": standing.ends_at.isoformat() if standing.ends_at else None}
    return told | {"previous": _plain(standing.previous) if standing.previous else None}


def _columns(table: Any, row: type[Change | Scheduled]) -> Sequence[Any]:
    return [table.c[name] for name in row.__dataclass_fields__]
