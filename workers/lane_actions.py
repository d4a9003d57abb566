"""Runs what operators do to lanes: each deed is a control or a window in the ledger, written with who, why and when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import ledger.windows
from ledger import actions, controls
from ledger.actions import Action
from ledger.session import Session
from ledger.windows import NewWindow
from workers.lane_rules import LIMIT, PAUSED, RAMP, SHARES, WEIGHTS, Controls, name_of

SETTABLE = (LIMIT, SHARES, WEIGHTS)


class LaneChangedError(Exception):
    """Something else is in force than what was looked at: look again."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who does it, and why."""

    by: str
    why: str
    role: str = ""


def pause(session: Session, lane: str, who: Operator, at: datetime, until: datetime | None, ramp_s: float) -> None:
    """Stop the picking from a lane until ``until`` (None: until it is resumed), then go on by a ramp of ``ramp_s``."""
    told: dict[str, object] = {"reason": who.why, "by": who.by, "since": at.isoformat()}
    told |= {"until": until.isoformat(), "ramp_s": ramp_s} if until else {}
    controls.lock(session)
    before = controls.read_all(session).get(name_of(PAUSED, lane), {})
    controls.put(session, name_of(PAUSED, lane), told, at)
    controls.remove(session, name_of(RAMP, lane))
    actions.write(session, Action(at, who.by, "lane.pause", lane, who.why, before, told, who.role))


def resume(session: Session, lane: str, who: Operator, at: datetime, ramp_s: float) -> bool:
    """Let a lane go on, by a ramp of ``ramp_s`` (0: at once); False if no pause was set and there is no ramp to make."""
    controls.lock(session)
    before = controls.read_all(session).get(name_of(PAUSED, lane), {})
    was_set = controls.remove(session, name_of(PAUSED, lane))
    controls.remove(session, name_of(RAMP, lane))
    told = {"since": at.isoformat(), "ramp_s": ramp_s} if ramp_s else {}
    if told:
        controls.put(session, name_of(RAMP, lane), told, at)
    if was_set or told:
        actions.write(session, Action(at, who.by, "lane.resume", lane, who.why, before, told, who.role))
    return was_set or bool(told)


def set_values(
    session: Session, lane: str, who: Operator, at: datetime, values: Mapping[str, Mapping[str, Any]],
    expected: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:  # fmt: skip
    """Put values in force: ``limit``, ``shares`` or ``weights``, each whole; an empty one goes back to the fleet file.

    ``expected``: what was set when they were made, by the same names; raises LaneChangedError if it is not any more.
    """
    controls.lock(session)
    before = set_of(controls.read_all(session), lane, values)
    if expected is not None and before != expected:
        raise LaneChangedError(f"{lane} was changed since you looked")
    for kind, value in values.items():
        if value:
            controls.put(session, name_of(kind, lane), value, at)
        else:
            controls.remove(session, name_of(kind, lane))
    actions.write(session, Action(at, who.by, "lane.set", lane, who.why, before, dict(values), who.role))


def set_of(set_now: Controls, lane: str, kinds: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is set of a lane by kind; empty where the fleet file is in force."""
    return {kind: dict(set_now.get(name_of(kind, lane), {})) for kind in kinds}


def add_window(session: Session, new: NewWindow) -> int:
    """Write a maintenance window; returns its number."""
    number = ledger.windows.add(session, new)
    told = {"window": number, "starts_at": str(new.starts_at or ""), "weekdays": new.weekdays or ""}
    told |= {"local_time": new.local_time or "", "zone": new.zone or "", "duration_s": new.duration_s}
    actions.write(session, Action(new.created_at, new.created_by, "window.add", new.lane, new.reason, {}, told))
    return number


def end_window(session: Session, lane: str, number: int, occurs_at: datetime | None, who: Operator, at: datetime) -> bool:
    """Cancel a window for good, or leave the one occurrence ``occurs_at`` out; False if it is cancelled already."""
    if occurs_at is None:
        ended = ledger.windows.cancel(session, number, at)
    else:
        ledger.windows.skip(session, number, occurs_at, at)
        ended = True
    if ended:
        told = {"window": number} | ({"occurrence": occurs_at.isoformat()} if occurs_at else {})
        actions.write(
            session, Action(at, who.by, "window.skip" if occurs_at else "window.cancel", lane, who.why, told, {}, who.role)
        )
    return ended


def let_canary(session: Session, lane: str, number: int, occurs_at: datetime, who: Operator, at: datetime) -> None:
    """Let the canary of an occurrence go before the window's end."""
    ledger.windows.let_canary(session, number, occurs_at, at)
    told = {"window": number, "occurrence": occurs_at.isoformat()}
    actions.write(session, Action(at, who.by, "window.canary", lane, who.why, {}, told, who.role))


def until_of(at: datetime, for_s: float | None) -> datetime | None:
    """The end of a stretch that begins now."""
    return None if for_s is None else at + timedelta(seconds=for_s)
