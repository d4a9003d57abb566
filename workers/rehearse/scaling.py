"""Runs the sums of `millrace scale plan`: the soonest that limits allow, and what a drain time takes then. Pure.

What limits let through comes from `workers.bounds`, slots and workers from `routing.scaling`, as in the signal for autoscalers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.throttle.base import Limit
from routing import scaling
from routing.scaling import Demand, Load, demand_of
from workers.bounds import Bound, bounds_of, lets_through, soonest
from workers.rehearse.figures import BUSY


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
class Need:
    """One lane's plan. ``soonest_s`` is what limits allow with any number of workers, infinite if more comes than they let
    through; ``bound`` names the one that decides. ``demand`` and ``cpu`` (processors) are for ``drain_s``: the time asked for, or
    the soonest where that is later; where it is never, they are for what the limits let through.
    """

    lane: str
    rows: int
    calls: int
    soonest_s: float
    bound: str
    possible: bool
    drain_s: float
    demand: Demand
    cpu: float

    @property
    def slots(self) -> int:
        """Slots that it takes."""
        return self.demand.slots


def need_of(work: Work, limit: Limit | None, within_s: float) -> Need:
    """What it takes to have a lane's backlog through within that time, with what keeps coming meanwhile."""
    bounds = list(bounds_of(limit, work.call_s)) if limit else []
    soonest_s, bound = soonest(bounds, work.rows, work.calls, work.inflow_per_s)
    possible = soonest_s <= within_s
    drain_s = within_s if possible else soonest_s
    demand = _demand(work, drain_s, bounds, within_s)
    calls = sum(work.calls.values())
    return Need(work.lane, work.rows, calls, soonest_s, bound, possible, drain_s, demand, demand.per_s * work.cpu_s)


def workers_for(needs: Sequence[Need], each: int, *, threads: bool) -> int:
    """Workers of a pool with ``each`` slots that its lanes take together: by slots, and on threads by computing, which one
    worker does one after another.
    """
    by_cpu = math.ceil(sum(need.cpu for need in needs) / BUSY - 1e-9) if threads else 0
    return max(1, scaling.workers_for([need.demand for need in needs], each), by_cpu)


def _demand(work: Work, drain_s: float, bounds: Sequence[Bound], within_s: float) -> Demand:
    if math.isfinite(drain_s):
        return demand_of(Load(math.ceil(work.rows + work.inflow_per_s * drain_s), work.row_s), drain_s)
    rows = math.ceil(work.rows + work.inflow_per_s * within_s)
    return demand_of(Load(rows, work.row_s, per_s=lets_through(bounds, work.rows, work.calls)), within_s)
