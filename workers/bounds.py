"""Runs the sums over an account's limits: each a line, so much at once and then so much a second. Pure.

A backlog is through when the slowest of its lines is. The signal for autoscalers and `millrace scale plan` both ask here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.throttle.base import Limit

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: ``at_once`` calls and then ``per_s``; ``operation`` "" for all of the account."""

    name: str
    at_once: float
    per_s: float
    operation: str = ""


def bounds_of(limit: Limit, call_s: float) -> Iterator[Bound]:
    """Every limit of an account as a line; ``call_s`` is how long a request takes. Windows and budgets count as unused."""
    if limit.rate_per_s is not None:
        yield Bound("rate", limit.burst, limit.rate_per_s)
    if limit.concurrency is not None and call_s > 0:
        yield Bound("concurrency", limit.concurrency, limit.concurrency / call_s)
    for window in limit.windows:
        yield Bound("window", window.calls, window.calls / window.span_s)
    for work in limit.execution:
        if call_s > 0:
            yield Bound("execution", work.busy_s / call_s, work.busy_s / call_s / work.span_s)
    for budget in limit.budgets:
        yield Bound("budget", budget.calls, budget.calls / DAY_S)
    if limit.points is not None:
        each = limit.points.per_call
        yield Bound("points", limit.points.capacity / each, limit.points.restore_per_s / each)
    for operation, inner in limit.operations.items():
        for bound in bounds_of(inner, call_s):
            yield Bound(f"{bound.name} of {operation}", bound.at_once, bound.per_s, operation)


def soonest(bounds: Sequence[Bound], rows: int, calls: Mapping[str, int], inflow_per_s: float = 0.0) -> tuple[float, str]:
    """Seconds until the limits have let all rows through, with any number of workers, and the limit that decides ("": none).

    ``calls`` are those of the rows by operation, "" where that is not known. Infinite if more comes than they let through.
    """
    whole = sum(calls.values())
    each = whole / rows if rows else 1.0
    slowest, name = 0.0, ""
    for bound in bounds:
        own = calls.get(bound.operation, 0) if bound.operation else whole
        part = own / whole if whole else 0.0
        left = bound.per_s - inflow_per_s * each * part
        took_s = 0.0 if own <= bound.at_once else (own - bound.at_once) / left if left > 0 else math.inf
        if took_s > slowest:
            slowest, name = took_s, bound.name
    return slowest, name


def lets_through(bounds: Sequence[Bound], rows: int, calls: Mapping[str, int]) -> float | None:
    """Rows a second of the closest limit in the long run, None without one."""
    whole = sum(calls.values())
    each = ((bound, calls.get(bound.operation, 0) if bound.operation else whole) for bound in bounds)
    return min((bound.per_s * rows / own for bound, own in each if own), default=None)
