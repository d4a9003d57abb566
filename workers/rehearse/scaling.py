"""Runs the sums of `millrace scale plan`: the soonest that limits allow, and the slots and workers that a drain time takes. Pure.

Every limit is a line: so much at once, then so much a second. A backlog is through when the slowest of its lines is.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.throttle.base import Limit
from workers.rehearse.figures import BUSY

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Work:
    """What stands in one lane and what keeps coming. ``calls`` by operation, "" where requests are not limited; ``row_s`` is how
    long a slot has with one row, ``call_s`` with one request, ``cpu_s`` the computing of a row on a pool of threads.
    """

    lane: str
    rows: int
    calls: Mapping[str, int]
    row_s: float
    call_s: float
    cpu_s: float = 0.0
    inflow_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit: ``at_once`` calls and then ``per_s``; ``operation`` "" for all of the account."""

    name: str
    at_once: float
    per_s: float
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """One lane's plan. ``soonest_s`` is what limits allow with any number of workers, infinite if more comes than they let
    through; ``bound`` names the one that decides. ``slots`` and ``cpu`` (processors) are for ``drain_s``: the time asked for, or
    the soonest where that is later.
    """

    lane: str
    rows: int
    calls: int
    soonest_s: float
    bound: str
    possible: bool
    drain_s: float
    slots: int
    cpu: float


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


def need_of(work: Work, limit: Limit | None, within_s: float) -> Need:
    """What it takes to have a lane's backlog through within that time, with what keeps coming meanwhile."""
    soonest_s, bound = _soonest(work, list(bounds_of(limit, work.call_s)) if limit else [])
    possible = soonest_s <= within_s
    drain_s = within_s if possible else soonest_s
    per_s = work.inflow_per_s + (work.rows / drain_s if math.isfinite(drain_s) and drain_s > 0 else 0.0)
    slots = math.ceil(per_s * work.row_s - 1e-9)
    return Need(work.lane, work.rows, sum(work.calls.values()), soonest_s, bound, possible, drain_s, slots, per_s * work.cpu_s)


def workers_for(needs: Sequence[Need], each: int, *, threads: bool) -> int:
    """Workers of a pool with ``each`` slots that its lanes take together: by slots, and on threads by computing, which one
    worker does one after another.
    """
    slots, cpu = sum(need.slots for need in needs), sum(need.cpu for need in needs)
    by_cpu = math.ceil(cpu / BUSY - 1e-9) if threads else 0
    return max(1, math.ceil(slots / each), by_cpu)


def _soonest(work: Work, bounds: Sequence[Bound]) -> tuple[float, str]:
    whole = sum(work.calls.values())
    each = whole / work.rows if work.rows else 1.0
    slowest, name = 0.0, ""
    for bound in bounds:
        calls = work.calls.get(bound.operation, 0) if bound.operation else whole
        part = calls / whole if whole else 0.0
        left = bound.per_s - work.inflow_per_s * each * part
        took_s = 0.0 if calls <= bound.at_once else (calls - bound.at_once) / left if left > 0 else math.inf
        if took_s > slowest:
            slowest, name = took_s, bound.name
    return slowest, name
