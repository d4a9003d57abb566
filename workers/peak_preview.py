"""Runs the look ahead at a peak profile: what would differ, which waiting rows would move, how long each class would wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import ledger.peaks
from config.fleet import Fleet
from config.peaks import PeakProfile
from ledger import controls
from ledger.peak_backlog import Standing
from ledger.session import Session
from routing import names
from routing.drain import drained_s
from routing.names import CLASSES, Class
from routing.weights import Weights
from tasks.backlog import Judged, Turned, judge, looked_at
from tasks.in_force import rules_of
from workers import lane_rules
from workers.lane_rules import Controls
from workers.maintenance import Windows
from workers.peaks import Difference, difference
from workers.plan import Rules
from workers.waiting import cells_of

MOST_LOOKED_AT = 2_000
"""Deliveries of each state that are looked at; what there is beyond is taken to be like them."""


@dataclass(frozen=True, slots=True)
class Move:
    """Waiting rows of a lane that would get another class."""

    lane: str
    before: str
    after: str
    rows: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Rows of a lane's class now and then, and seconds until the last of them would be posted if nothing more came; None: nobody
    can tell, the lane has no rate and no pace.
    """

    lane: str
    cls: str
    rows: int
    rows_then: int
    wait_s: float | None
    wait_then_s: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a profile would do. ``resting`` rows would wait for quiet hours, ``waking`` would no longer; ``guessed``: more waits
    than was looked at, so rows are estimates.
    """

    profile: str | None
    in_force: str | None
    change: int
    differences: tuple[Difference, ...]
    moves: tuple[Move, ...]
    resting: int
    waking: int
    looked_at: int
    guessed: bool
    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """What a lane takes now: the working rate of its limiter, and deliveries accepted lately; None where nobody can tell."""

    working_per_s: float | None = None
    done_per_s: float | None = None


@dataclass(slots=True)
class _Seen:
    """What was looked at of a lane: rows by domain and class, where they would be then, how many calls they take."""

    here: dict[tuple[str, str], int] = field(default_factory=dict)
    then: dict[tuple[str, str, str], int] = field(default_factory=dict)
    rows: int = 0
    calls: int = 0


def preview(session: Session, fleet: Fleet, profile: PeakProfile | None, paces: Mapping[str, Pace], at: datetime) -> Preview:
    """Look ahead; ``profile`` None: at the fleet file alone. ``paces`` by lane. Changes nothing."""
    set_now = controls.read_all(session)
    standing = ledger.peaks.read(set_now.get(ledger.peaks.PEAK))
    half = tuple(rules_of(fleet, change.before_profile) for change in ledger.peaks.unsettled(session))
    turn = Turned(
        rules_of(fleet, standing.profile if standing else None),
        rules_of(fleet, profile.kept() if profile else None),
        standing.since if standing else None,
        half,
    )
    rows = list(looked_at(session, MOST_LOOKED_AT, bodies=turn.by_class))
    judged = judge(fleet, turn, rows, at)
    seen, moves = _seen(rows, judged)
    then_rules = Rules({name: told for name, told in set_now.items() if name != ledger.peaks.PEAK}, Windows())
    counted = _counted(session, fleet)
    return Preview(
        profile=profile.name if profile else None,
        in_force=standing.name if standing else None,
        change=standing.change if standing else 0,
        differences=tuple(difference(profile, fleet, set_now)),
        moves=tuple(Move(*where, round(count * _beyond(counted, seen, where[0]))) for where, count in sorted(moves.items())),
        resting=round(
            sum(len(ids) for ids in judged.rests.values()) * max((_beyond(counted, seen, lane) for lane in seen), default=1.0)
        ),
        waking=len(judged.wakes),
        looked_at=len(rows),
        guessed=any(count >= MOST_LOOKED_AT for lane in counted.values() for count in lane.values()),
        waits=tuple(
            wait
            for lane in fleet.families
            if (target := names.target_of(lane)) and counted.get(lane)
            for wait in _waits(
                lane,
                counted[lane],
                seen.get(lane, _Seen()),
                _Lane(Rules(set_now, Windows()).over(fleet), set_now, lane, target, paces.get(lane, Pace())),
                _Lane(profile.over(fleet) if profile else fleet, then_rules.set_now, lane, target, paces.get(lane, Pace())),
            )
        ),
    )


@dataclass(frozen=True, slots=True)
class _Lane:
    """A lane under some rules."""

    fleet: Fleet
    set_now: Controls
    lane: str
    target: str
    pace: Pace

    @property
    def weights(self) -> Weights:
        told = lane_rules.weights_of(self.set_now, self.fleet, self.lane)
        return Weights(told.high, told.normal, told.low, told.strict, told.aged_after_s)

    @property
    def shares(self) -> dict[str, int]:
        return lane_rules.shares_of(self.set_now, self.fleet, self.lane)

    @property
    def limit_per_s(self) -> float | None:
        return lane_rules.limit_in_force(self.set_now, self.fleet, self.target).rate_per_s


def _waits(lane: str, counted: Mapping[tuple[str, str], int], seen: _Seen, now: _Lane, then: _Lane) -> list[Wait]:
    after = _after(counted, seen)
    calls = seen.calls / seen.rows if seen.rows else 1.0
    rate = _rate(now, now.limit_per_s)
    rate_then = _rate(now, then.limit_per_s)
    before_s = _by_class(counted, calls, now, rate)
    after_s = _by_class(after, calls, then, rate_then)
    found = []
    for cls in CLASSES:
        rows = sum(count for (_, of), count in counted.items() if of == cls)
        rows_then = round(sum(count for (_, of), count in after.items() if of == cls))
        if rows or rows_then:
            found.append(Wait(lane, cls, rows, rows_then, before_s.get(cls), after_s.get(cls)))
    return found


def _rate(now: _Lane, limit_per_s: float | None) -> float | None:
    """Calls a second: the limit, less what the limiter learned to stay below it, else the pace of the last half minute."""
    working = now.pace.working_per_s
    if limit_per_s is None:
        return working or now.pace.done_per_s or None
    learned = working is not None and now.limit_per_s is not None and working < now.limit_per_s
    return min(limit_per_s, working) if learned and working else limit_per_s


def _by_class(
    waiting: Mapping[tuple[str, str], float], calls: float, lane: _Lane, rate_per_s: float | None
) -> Mapping[str, float | None]:
    if not rate_per_s:
        return {}
    by_domain: dict[str, dict[Class, float]] = {}
    for (domain, cls), rows in waiting.items():
        by_domain.setdefault(domain, {})[cast("Class", cls)] = rows * calls
    found: dict[str, float | None] = {}
    for (_, cls), seconds in drained_s(by_domain, lane.weights, lane.shares, rate_per_s).items():
        found[cls] = max(found.get(cls) or 0.0, seconds)
    return found


def _after(counted: Mapping[tuple[str, str], int], seen: _Seen) -> dict[tuple[str, str], float]:
    """Where the counted rows would be, if they are like those that were looked at; what would rest is left out."""
    found: dict[tuple[str, str], float] = {}
    for (domain, cls), rows in counted.items():
        looked = seen.here.get((domain, cls), 0)
        if not looked:
            found[domain, cls] = found.get((domain, cls), 0.0) + rows
            continue
        for (of, before, after), count in seen.then.items():
            if (of, before) == (domain, cls):
                found[domain, after] = found.get((domain, after), 0.0) + rows * count / looked
    return found


def _seen(rows: list[Standing], judged: Judged) -> tuple[dict[str, _Seen], dict[tuple[str, str, str], int]]:
    becomes = {row: after for (_, after), ids in judged.classes.items() for row in ids}
    resting = {row for ids in judged.rests.values() for row in ids}
    lanes: dict[str, _Seen] = {}
    moves: dict[tuple[str, str, str], int] = {}
    for row in rows:
        lane = names.lane(row.target)
        after = becomes.get(row.id, row.cls)
        if after != row.cls:
            moves[lane, row.cls, after] = moves.get((lane, row.cls, after), 0) + 1
        if row.state in ("waiting", "deferred"):
            continue
        seen = lanes.setdefault(lane, _Seen())
        seen.rows, seen.calls = seen.rows + 1, seen.calls + row.calls
        seen.here[row.domain, row.cls] = seen.here.get((row.domain, row.cls), 0) + 1
        if row.id not in resting:
            place = (row.domain, row.cls, after)
            seen.then[place] = seen.then.get(place, 0) + 1
    return lanes, moves


def _beyond(counted: Mapping[str, Mapping[tuple[str, str], int]], seen: Mapping[str, _Seen], lane: str) -> float:
    """Rows that wait in a lane for each that was looked at."""
    looked = seen[lane].rows if lane in seen else 0
    return max(1.0, sum(counted.get(lane, {}).values()) / looked) if looked else 1.0


def _counted(session: Session, fleet: Fleet) -> dict[str, dict[tuple[str, str], int]]:
    """Rows that wait to be picked, by lane, domain and class; ten thousand of a state at most."""
    lanes = [lane for lane in fleet.families if names.target_of(lane)]
    found: dict[str, dict[tuple[str, str], int]] = {lane: {} for lane in lanes}
    for lane, cells in cells_of(session, lanes).items():
        for cell in cells:
            place = (cell.domain, cell.cls)
            found[lane][place] = found[lane].get(place, 0) + cell.count
    return found
