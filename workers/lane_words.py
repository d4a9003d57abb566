"""Runs the wording of lanes: everything that can be set of a lane as flat words, and what goes above the fleet file."""

from collections.abc import Mapping
from typing import Any

from adapters.throttle.base import Limit
from config.fleet import Fleet
from routing.names import target_of
from workers import lane_rules
from workers.lane_rules import Controls

BOUNDS = ("rate_per_s", "burst", "concurrency")


def flat(fleet: Fleet, lane: str, set_now: Controls) -> dict[str, str]:
    """Everything that can be set of a lane, as it is under these controls. Raises ValueError for a limit that cannot be."""
    told = {f"weight {k}": word(v) for k, v in lane_rules.weights_of(set_now, fleet, lane).model_dump().items()}
    target = target_of(lane)
    if target is not None:
        limit = lane_rules.limit_in_force(set_now, fleet, target)
        told |= {name: word(getattr(limit, name)) for name in BOUNDS}
        for operation, bounds in limit.operations.items():
            told |= {f"{operation} {name}": word(getattr(bounds, name)) for name in BOUNDS}
        told |= {f"share {domain}": str(part) for domain, part in lane_rules.shares_of(set_now, fleet, lane).items()}
    return told


def above_file(fleet: Fleet, lane: str, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the values would allow beyond the fleet file, in words."""
    target = target_of(lane)
    if target is None or "limit" not in values:
        return []
    filed = lane_rules.filed_limit(fleet, target)
    wanted = lane_rules.limit_in_force({lane_rules.name_of("limit", lane): values["limit"]}, fleet, target)
    over = _above(filed, wanted, "")
    for operation, bounds in wanted.operations.items():
        over += _above(filed.operations.get(operation, filed), bounds, f"{operation} ")
    return over


def word(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _above(filed: Limit, wanted: Limit, of: str) -> list[str]:
    # No limit in the file is no permission that was given, but none that was refused either: any is below it.
    pairs = ((name, getattr(filed, name), getattr(wanted, name)) for name in BOUNDS)
    return [
        f"{of}{name} {word(most)}, not {word(asked)}"
        for name, most, asked in pairs
        if most is not None and asked is not None and asked > most and not (name == "burst" and of)
    ]
