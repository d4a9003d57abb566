"""Runs the guards of a peak profile: which is broken by the figures of the lanes, since when, and which for too long."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from config.peaks import Guard
from ledger.standing import Cell
from workers.lanes import LaneView

Since = Mapping[str, str]
"""Since when which guard (by its number, from 0) is broken: the moments in ISO 8601."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The lanes as they are, and what may not be picked."""

    views: Sequence[LaneView]
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Watch:
    """A guard now: its figure (None: nobody can tell), since when it is broken, and whether it has been for too long."""

    guard: Guard
    figure: float | None
    since: datetime | None
    over: bool


def watch(guards: Sequence[Guard], figures: Figures, known: Since, in_force_since: datetime, at: datetime) -> list[Watch]:
    """Every guard as it stands. What cannot be told neither breaks a guard nor heals it."""
    found = []
    for number, guard in enumerate(guards):
        figure = figure_of(guard, figures)
        since = datetime.fromisoformat(known[str(number)]) if str(number) in known else None
        if at < in_force_since + timedelta(seconds=guard.grace_s):
            since = None
        elif figure is not None:
            since = (since or at) if _broken(guard, figure) else None
        over = since is not None and figure is not None and at - since >= timedelta(seconds=guard.for_s)
        found.append(Watch(guard, figure, since, over))
    return found


def since_of(watched: Iterable[Watch]) -> dict[str, str]:
    """What is to be remembered of guards that are broken."""
    return {str(number): one.since.isoformat() for number, one in enumerate(watched) if one.since is not None}


def figure_of(guard: Guard, figures: Figures) -> float | None:
    """The worst figure of the lanes that a guard looks at; None if none of them can be told."""
    if guard.metric in ("parked", "deferred"):
        return float(_remembered(guard, figures.cells))
    views = [view for view in figures.views if guard.lane in (None, view.lane)]
    told = [figure for view in views if (figure := _of_lane(guard, view)) is not None]
    if not told:
        return None
    return max(told) if guard.above is not None else min(told)


def _broken(guard: Guard, figure: float) -> bool:
    if guard.above is not None:
        return figure > guard.above
    return guard.below is not None and figure < guard.below


def _remembered(guard: Guard, cells: Iterable[Cell]) -> int:
    return sum(
        cell.count
        for cell in cells
        if cell.state == guard.metric and guard.lane in (None, cell.lane) and guard.cls in (None, cell.cls)
    )


def _of_lane(guard: Guard, view: LaneView) -> float | None:
    here = [one for one in view.waiting if guard.cls in (None, one.cls)]
    if guard.metric == "oldest_age_s":
        return max((one.oldest_s for one in here if one.oldest_s is not None), default=0.0)
    if guard.metric == "waiting":
        return float(sum(one.rows for one in here))
    if guard.metric == "accepted_per_s":
        return view.done_per_s
    if guard.metric == "drain_s":
        return _drain_s(view)
    return _of_limiter(guard, view)


def _drain_s(view: LaneView) -> float | None:
    if view.done_per_s is None:
        return None
    return 0.0 if not view.rows else inf if view.drain_s is None else view.drain_s


def _of_limiter(guard: Guard, view: LaneView) -> float | None:
    status = view.status
    if status is None:
        return None
    if guard.metric == "throttled_part":
        return status.throttled_60s / status.answered_60s if status.answered_60s else 0.0
    return float(any(state != "closed" for state in (status.breaker, *status.breakers.values())))
