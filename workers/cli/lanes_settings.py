"""Runs the arithmetic of `millrace lanes set`: words into values, values beside the fleet file's, what goes above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.cli.exits import Exit
from workers.cli.output import fail

if TYPE_CHECKING:
    from adapters.throttle.base import Limit
    from config.fleet import Fleet
    from workers.lane_rules import Controls

BOUNDS = ("rate_per_s", "burst", "concurrency")


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line asks for, by kind of control."""

    limit: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)


def read_given(
    lane: str,
    numbers: Mapping[str, Any],
    operations: Sequence[str],
    shares: Sequence[str],
    turns: Mapping[str, Any],
) -> Given:
    """The options as values. Ends the command for a limit or share of a lane without a target, or one that is not understood."""
    from routing.names import target_of

    limit = {name: value for name, value in numbers.items() if value is not None}
    inner = dict(_operation(text) for text in operations)
    limit |= {"operations": inner} if inner else {}
    if (limit or shares) and target_of(lane) is None:
        fail(f"{lane} posts to no target: only its weights can be set", Exit.USAGE)
    weights = {name: value for name, value in turns.items() if value is not None}
    return Given(limit, dict(_share(text) for text in shares), weights)


def wanted_values(set_now: "Controls", lane: str, given: Given, reset: bool) -> dict[str, dict[str, Any]]:
    """Each control that changes, whole: what was set, unless ``reset``, with what is given over it. Empty: the fleet file's."""
    from workers.lane_rules import LIMIT, SHARES, WEIGHTS, name_of

    asked = {LIMIT: given.limit, SHARES: given.shares, WEIGHTS: given.weights}
    found: dict[str, dict[str, Any]] = {}
    for kind, value in asked.items():
        standing = set_now.get(name_of(kind, lane), {})
        if value or (reset and standing):
            found[kind] = _over({} if reset else standing, value)
    return found


def flat(fleet: "Fleet", lane: str, set_now: "Controls") -> dict[str, str]:
    """Everything that can be set of a lane, as it is under these controls. Raises ValueError for a limit that cannot be."""
    from routing.names import target_of
    from workers import lane_rules

    told = {f"weight {k}": _word(v) for k, v in lane_rules.weights_of(set_now, fleet, lane).model_dump().items()}
    target = target_of(lane)
    if target is not None:
        limit = lane_rules.limit_in_force(set_now, fleet, target)
        told |= {name: _word(getattr(limit, name)) for name in BOUNDS}
        for operation, bounds in limit.operations.items():
            told |= {f"{operation} {name}": _word(getattr(bounds, name)) for name in BOUNDS}
        told |= {f"share {domain}": str(part) for domain, part in lane_rules.shares_of(set_now, fleet, lane).items()}
    return told


def above_file(fleet: "Fleet", lane: str, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the values would allow beyond the fleet file, in words."""
    from routing.names import target_of
    from workers import lane_rules

    target = target_of(lane)
    if target is None or "limit" not in values:
        return []
    filed = lane_rules.filed_limit(fleet, target)
    wanted = lane_rules.limit_in_force({lane_rules.name_of("limit", lane): values["limit"]}, fleet, target)
    over = _above(filed, wanted, "")
    for operation, bounds in wanted.operations.items():
        over += _above(filed.operations.get(operation, filed), bounds, f"{operation} ")
    return over


def _above(filed: "Limit", wanted: "Limit", of: str) -> list[str]:
    # No limit in the file is no permission that was given, but none that was refused either: any is below it.
    pairs = ((name, getattr(filed, name), getattr(wanted, name)) for name in BOUNDS)
    return [
        f"{of}{name} {_word(most)}, not {_word(asked)}"
        for name, most, asked in pairs
        if most is not None and asked is not None and asked > most and not (name == "burst" and of)
    ]


def _over(standing: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(standing) | dict(value)
    inner = {name: dict(bounds) for name, bounds in standing.get("operations", {}).items()}
    for name, bounds in value.get("operations", {}).items():
        inner[name] = inner.get(name, {}) | dict(bounds)
    return merged | ({"operations": inner} if inner else {})


def _operation(text: str) -> tuple[str, dict[str, float]]:
    name, _, rest = text.partition(":")
    bounds: dict[str, float] = {}
    for pair in rest.split(","):
        key, _, number = pair.partition("=")
        if not name or key not in BOUNDS:
            fail(f"--operation {text}: write order.create:rate_per_s=5,concurrency=2 (also burst)", Exit.USAGE)
        bounds[key] = _number(text, number, whole=key != "rate_per_s")
    return name, bounds


def _share(text: str) -> tuple[str, int]:
    from config.nearest import hint
    from config.topology import load_topology

    domain, _, number = text.partition("=")
    known = load_topology().domains
    if domain not in known:
        fail(f"--share {text}: no domain {domain!r}; {hint(domain, known)}", Exit.USAGE)
    return domain, int(_number(text, number, whole=True))


def _number(text: str, number: str, *, whole: bool) -> float:
    try:
        value = int(number) if whole else float(number)
    except ValueError:
        value = 0
    if not 0 < value < 1_000_000:
        fail(f"{text}: {number!r} is no {'whole ' if whole else ''}number above 0", Exit.USAGE)
    return value


def _word(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
