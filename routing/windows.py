"""Decides what a maintenance window asks of its lane at a moment: rows and the clock in, phases with absolute times out. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["announced", "draining", "held", "canary", "ramp"]

LEAST_SCALE = 0.1
"""Part of the limit a ramp begins with."""

LONGEST_S = 7 * 86_400
_LOOK_BACK = timedelta(days=16)


@dataclass(frozen=True, slots=True)
class Weekly:
    """On these weekdays (0 is Monday) at ``at`` by the clock of ``zone``.

    Where the clock is put forward over ``at``, the window begins as much later; where ``at`` comes twice, at the first.
    """

    weekdays: frozenset[int]
    at: time
    zone: str

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise ValueError(f"weekdays are {sorted(self.weekdays)}: give at least one, 0 (Monday) to 6")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone {self.zone!r}: give a name like 'Europe/Berlin'") from None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A window of a lane: once (``when`` is its start) or every week. Its duration is elapsed time, not a time of day.

    ``drain_s`` before the start nothing new is picked. After the end one delivery at a time goes out until ``canary`` were
    accepted, then the limit rises within ``ramp_s``. Raises ValueError for times below 0 or too long.
    """

    id: int
    lane: str
    when: datetime | Weekly
    duration_s: float
    created_at: datetime
    announce_s: float = 3600.0
    drain_s: float = 60.0
    canary: int = 1
    ramp_s: float = 300.0
    why: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.duration_s <= LONGEST_S:
            raise ValueError(f"duration_s is {self.duration_s}: give a time above 0 and at most 7 days")
        for name in ("announce_s", "drain_s", "ramp_s"):
            if not 0 <= getattr(self, name) <= LONGEST_S:
                raise ValueError(f"{name} is {getattr(self, name)}: give a time from 0 to 7 days")
        if self.canary < 0:
            raise ValueError(f"canary is {self.canary}: give how many deliveries must be accepted, 0 for none")
        if isinstance(self.when, datetime) and self.when.tzinfo is None:
            raise ValueError("the start of a window has no time zone")


@dataclass(frozen=True, slots=True)
class Progress:
    """What came of the occurrence that began at ``starts_at``.

    ``canary_at``: an operator let the canary go before the end. ``opened_at``: the last of the canary was accepted.
    """

    starts_at: datetime
    canary_at: datetime | None = None
    opened_at: datetime | None = None
    accepted: int = 0
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an occurrence; ``ends_at`` None: until the canary is accepted."""

    kind: Kind
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The phase an occurrence of a window is in now."""

    window: Maintenance
    occurs_at: datetime
    phase: Phase

    def scale(self, at: datetime) -> float:
        """Part of the limit that may be used at ``at``: 0 while closed, rising in a ramp."""
        if self.phase.kind in ("draining", "held"):
            return 0.0
        if self.phase.kind != "ramp" or self.phase.ends_at is None:
            return 1.0
        return ramp_scale(self.phase.starts_at, (self.phase.ends_at - self.phase.starts_at).total_seconds(), at)


def ramp_scale(began_at: datetime, ramp_s: float, at: datetime) -> float:
    """Part of the limit ``at`` a moment of a ramp: from 0.1 at its beginning in a straight line to 1 at its end."""
    gone_s = (at - began_at).total_seconds()
    part = 1.0 if gone_s >= ramp_s else max(0.0, gone_s / ramp_s)
    return LEAST_SCALE + (1.0 - LEAST_SCALE) * part


def accepted_needed(window: Maintenance, progress: Progress | None) -> int:
    """How many deliveries the canary must see accepted; one at least if an operator asked for it."""
    early = progress is not None and progress.canary_at is not None
    return max(1, window.canary) if early else window.canary


def occurrences(window: Maintenance, after: datetime, until: datetime) -> Iterator[datetime]:
    """Starts in UTC from ``after`` to ``until``, both included; none of those that were over when the window was made."""
    length = timedelta(seconds=window.duration_s)
    for start in _starts(window.when, after, until):
        if after <= start <= until and start + length > window.created_at:
            yield start


def phases(window: Maintenance, occurs_at: datetime, progress: Progress | None = None) -> tuple[Phase, ...]:
    """The phases of one occurrence in their order, empty ones left out; those after a canary under way are not known."""
    if progress is not None and progress.skipped:
        return ()
    ends_at = occurs_at + timedelta(seconds=window.duration_s)
    shuts_at = occurs_at - timedelta(seconds=window.drain_s)
    told_at = min(shuts_at, occurs_at - timedelta(seconds=window.announce_s))
    early = progress.canary_at if progress else None
    opens_at = ends_at if early is None else max(shuts_at, min(ends_at, early))
    drained_at = min(occurs_at, opens_at)
    found = [
        Phase("announced", told_at, shuts_at),
        Phase("draining", shuts_at, drained_at),
        Phase("held", drained_at, opens_at),
    ]
    full_at: datetime | None = opens_at
    if accepted_needed(window, progress):
        full_at = progress.opened_at if progress else None
        found.append(Phase("canary", opens_at, full_at))
    if full_at is not None:
        found.append(Phase("ramp", full_at, full_at + timedelta(seconds=window.ramp_s)))
    return tuple(phase for phase in found if phase.ends_at is None or phase.ends_at > phase.starts_at)


def current(window: Maintenance, progress: Mapping[datetime, Progress], at: datetime) -> list[Standing]:
    """Phases that the window's occurrences are in at ``at``; none if the lane is open as far as this window goes.

    A canary or ramp of an occurrence ends with the next one's beginning to drain: that one has its own.
    """
    ahead = timedelta(seconds=max(window.announce_s, window.drain_s))
    met = list(occurrences(window, _since(window, at), at + ahead))
    closing = [start for start in met if start - timedelta(seconds=window.drain_s) <= at and not _skipped(progress.get(start))]
    latest = max(closing, default=None)
    found = []
    for start in met:
        phase = next((p for p in phases(window, start, progress.get(start)) if _in(p, at)), None)
        if phase is not None and (phase.kind in ("announced", "draining", "held") or start == latest):
            found.append(Standing(window, start, phase))
    return found


def next_occurrence(window: Maintenance, progress: Mapping[datetime, Progress], at: datetime) -> datetime | None:
    """Start of the occurrence that is not over at ``at`` or is the next to come; None if there is none any more."""
    standing = current(window, progress, at)
    if standing:
        return min(one.occurs_at for one in standing)
    until = window.when if isinstance(window.when, datetime) else at + _LOOK_BACK
    return next((s for s in occurrences(window, at, until) if not _skipped(progress.get(s))), None)


def strictest(standings: Iterable[Standing]) -> Standing | None:
    """The one of a lane that allows least; of several that close, the one that closes longest."""
    return max(standings, key=_strictness, default=None)


def _strictness(one: Standing) -> tuple[int, datetime]:
    rank = {"announced": 0, "ramp": 1, "canary": 2, "draining": 3, "held": 3}[one.phase.kind]
    return rank, one.phase.ends_at or datetime.max.replace(tzinfo=UTC)


def _since(window: Maintenance, at: datetime) -> datetime:
    return window.when if isinstance(window.when, datetime) else at - _LOOK_BACK


def _starts(when: datetime | Weekly, after: datetime, until: datetime) -> Iterator[datetime]:
    if isinstance(when, datetime):
        yield when.astimezone(UTC)
        return
    zone = ZoneInfo(when.zone)
    day = after.astimezone(zone).date() - timedelta(days=1)
    last = until.astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        if day.weekday() in when.weekdays:
            yield datetime.combine(day, when.at, zone).astimezone(UTC)
        day += timedelta(days=1)


def _in(phase: Phase, at: datetime) -> bool:
    return phase.starts_at <= at and (phase.ends_at is None or at < phase.ends_at)


def _skipped(progress: Progress | None) -> bool:
    return progress is not None and progress.skipped
