"""Runs the arithmetic of `millrace lanes set`: words into values, values beside the fleet file's, what goes above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.cli.exits import Exit
from workers.cli.output import fail

if TYPE_CHECKING:
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
