"""Runs the words of a rehearsal for people and programs."""

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workers.cli.moments import span
from workers.cli.output import say, show_table
from workers.rehearse.figures import Prediction, Staff, Waits

BINDS = {
    "limit": "the target's limit: more workers change nothing",
    "workers": "the workers: more of them would be quicker (--workers POOL=N)",
    "nothing": "nothing: what came was done as it came",
}


def values(told: Prediction) -> dict[str, Any]:
    """All of it for programs."""
    return dataclasses.asdict(told)


def show(told: Prediction, assumed: Mapping[str, Mapping[str, float]]) -> None:
    """All of it for people: what came of it, waits by class, the allowance used, the workers it takes."""
    drained = "not within the time that was played" if told.drained_s is None else f"after {_fine(told.drained_s)}"
    after = "" if told.drain_s is None else f", {_fine(told.drain_s)} after the last arrival"
    lines = {
        "arrivals": f"{told.arrivals} in {_fine(told.series.step_s * _last_arrival(told))}",
        "ended": _ends(told),
        "drained": drained + after,
        "what binds": BINDS[told.binds],
    }
    for name, words in lines.items():
        sys.stdout.write(f"{name:<10}  {words}\n")
    show_table(["lane", "class", "deliveries", "p50", "p95", "p99", "longest", "breached"], map(_waits, told.waits))
    show_table(["target", "requests", "most in 1 s", "allowed/s", "used", "busiest", "refused"], _allowances(told))
    show_table(["pool", "workers", "slots", "busiest: slots", "busiest: CPU", "takes"], map(_staff, told.staff))
    for target, times in assumed.items():
        say(f"times of {target}: " + ", ".join(f"{name} {value:g}" for name, value in times.items()))


def _ends(told: Prediction) -> str:
    ends = {"done": told.done, "parked": told.parked, "lead nowhere": told.nowhere, "still open": told.open}
    return ", ".join(f"{count} {word}" for word, count in ends.items() if count) or "nothing"


def _last_arrival(told: Prediction) -> int:
    return max((step for step, count in enumerate(told.series.arrivals) if count), default=0) + 1


def _waits(one: Waits) -> Sequence[str]:
    breached = f"{one.breached} of {one.promised}" if one.promised else "-"
    return (one.lane, one.cls, str(one.count), *map(_fine, (one.p50_s, one.p95_s, one.p99_s, one.longest_s)), breached)


def _allowances(told: Prediction) -> Iterable[Sequence[str]]:
    for one in told.allowances:
        allowed = "-" if one.allowed_per_s is None else f"{one.allowed_per_s:g}"
        yield one.target, str(one.calls), str(one.most_per_s), allowed, _part(one.used), _part(one.busiest), str(one.refused)


def _staff(one: Staff) -> Sequence[str]:
    takes = f"more than {one.workers}" if one.full else str(one.takes)
    return one.pool, str(one.workers), str(one.slots), f"{one.busiest_slots:.1f}", f"{one.busiest_cpu:.2f}", takes


def _part(part: float | None) -> str:
    return "-" if part is None else f"{part:.0%}"


def _fine(length_s: float | None) -> str:
    """A span with tenths of a second where they are seen."""
    return f"{length_s:.1f}s" if length_s is not None and length_s < 60 else span(length_s)
