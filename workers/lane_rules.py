"""Runs the rules that operators set for lanes: read from the ledger's controls, laid over the fleet file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapters.throttle.base import Limit
from adapters.throttle.configured import limit_of
from config.fleet import FamilyWeights, Fleet
from config.limits import merged
from routing import names
from routing.windows import ramp_scale

WEIGHTS, PAUSED, RAMP, SHARES, LIMIT = "weights", "paused", "ramp", "shares", "limit"

Controls = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing of a lane is picked: why, by whom, since when, until when (None: until somebody resumes it)."""

    reason: str = ""
    by: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ramp_s: float = 0.0

    def in_force(self, at: datetime) -> bool:
        """Whether it holds the lane at ``at``."""
        return self.until is None or at < self.until


@dataclass(frozen=True, slots=True)
class Ramp:
    """The limit of a lane rises to its whole from ``since`` on, within ``ramp_s``."""

    since: datetime
    ramp_s: float


def name_of(kind: str, lane: str) -> str:
    """Name of a lane's control: ``name_of(PAUSED, "orders") == "paused.orders"``."""
    return f"{kind}.{lane}"


def pause_of(set_now: Controls, lane: str) -> Pause | None:
    """The pause an operator set, whether it is over or not."""
    told = set_now.get(name_of(PAUSED, lane))
    if told is None:
        return None
    since, until = (datetime.fromisoformat(told[key]) if told.get(key) else None for key in ("since", "until"))
    return Pause(str(told.get("reason", "")), str(told.get("by", "")), since, until, float(told.get("ramp_s", 0.0)))


def ramp_of(set_now: Controls, lane: str) -> Ramp | None:
    """The ramp an operator asked for, or that of a pause which ended by its own time."""
    told = set_now.get(name_of(RAMP, lane))
    if told is not None:
        return Ramp(datetime.fromisoformat(told["since"]), float(told["ramp_s"]))
    pause = pause_of(set_now, lane)
    return Ramp(pause.until, pause.ramp_s) if pause and pause.until and pause.ramp_s else None


def scale_of(set_now: Controls, lane: str, at: datetime) -> float:
    """Part of the lane's limit that its ramp allows at ``at``; 1 without one."""
    ramp = ramp_of(set_now, lane)
    if ramp is None or not ramp.since <= at < ramp.since + timedelta(seconds=ramp.ramp_s):
        return 1.0
    return ramp_scale(ramp.since, ramp.ramp_s, at)


def weights_of(set_now: Controls, fleet: Fleet, lane: str) -> FamilyWeights:
    """The operator's weights, else the fleet file's, else the default ones."""
    told = set_now.get(name_of(WEIGHTS, lane))
    return fleet.weights.get(lane, FamilyWeights()) if told is None else FamilyWeights.model_validate(told)


def shares_of(set_now: Controls, fleet: Fleet, lane: str) -> dict[str, int]:
    """The lane's shares by domain: those that an operator set, over those of the fleet file."""
    target = names.target_of(lane)
    filed = {str(d): share for d, share in fleet.targets[target].shares.items()} if target else {}
    return filed | {str(d): int(share) for d, share in set_now.get(name_of(SHARES, lane), {}).items()}


def limit_in_force(set_now: Controls, fleet: Fleet, target: str) -> Limit:
    """What an operator set of the limit, over the fleet file's. Raises ValueError for a limit that could never grant."""
    configured = fleet.targets[target]
    told = set_now.get(name_of(LIMIT, names.lane(target)), {})
    return limit_of(merged(configured.limit, told), configured.answer_timeout_s)


def filed_limit(fleet: Fleet, target: str) -> Limit:
    """The limit of the fleet file."""
    return limit_in_force({}, fleet, target)
