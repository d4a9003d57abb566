"""Runs the signal for autoscalers: for each pool the workers that pay, with the age and drain time of its lanes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.throttle.base import Limit
from config.fleet import Fleet
from routing.scaling import Demand, Load, demand_of, workers_for
from workers.bootstrap import now
from workers.bounds import bounds_of, soonest
from workers.lanes import LaneView, Lookout

PREPARE_ROW_S = 0.004
"""A row keeps a preparing slot this long: 0.7 ms of CPU on one thread (docs/benchmarks), the rest waits for PostgreSQL."""
ROUND_S = 0.02
"""Claim, settle and hand-over of a delivery, beside its requests."""
UNKNOWN_CALL_S = 0.3
"""Taken for one request to a target that has not answered yet."""
CALLS_A_ROW = 1.5
"""Requests of a delivery on average: creations take one or two, the rest a few more."""


@dataclass(frozen=True, slots=True)
class LaneSignal:
    """One lane: rows that wait, the age of the oldest, and what they take."""

    lane: str
    rows: int
    oldest_s: float
    demand: Demand


@dataclass(frozen=True, slots=True)
class PoolSignal:
    """One pool: how many workers of it pay now, and why."""

    pool: str
    workers: int
    lanes: tuple[LaneSignal, ...]

    @property
    def oldest_s(self) -> float:
        """Age of the oldest row of its lanes."""
        return max((lane.oldest_s for lane in self.lanes), default=0.0)

    @property
    def drain_s(self) -> float | None:
        """Time until the slowest of its lanes is done with those workers; None while one of them stands."""
        drains = [lane.demand.drain_s for lane in self.lanes]
        return None if None in drains else max((drain for drain in drains if drain is not None), default=0.0)


def pool_signals(fleet: Fleet, lookout: Lookout, within_s: float) -> list[PoolSignal]:
    """Every pool of the fleet. Raises one of LedgerUnavailable."""
    views = {view.lane: view for view in lookout.look(fleet.families, now())}
    signals = []
    for name, pool in fleet.pools.items():
        lanes = tuple(lane_signal(views[family], within_s) for family in pool.families if family in views)
        signals.append(PoolSignal(name, workers_for([lane.demand for lane in lanes], pool.concurrency), lanes))
    return signals


def lane_signal(view: LaneView, within_s: float) -> LaneSignal:
    """What one lane takes."""
    return LaneSignal(view.lane, view.rows, view.oldest_s or 0.0, _demand(view, within_s))


def _demand(view: LaneView, within_s: float) -> Demand:
    """A lane's backlog against what its target allows and works at now."""
    if view.target is None:
        return demand_of(Load(view.rows, PREPARE_ROW_S, share=view.state.scale), within_s)
    call_s = (view.status.latency_s if view.status else None) or UNKNOWN_CALL_S
    limit = _working(view)
    soonest_s, _ = soonest(list(bounds_of(limit, call_s)), view.rows, {"": math.ceil(view.rows * CALLS_A_ROW)})
    per_s = limit.rate_per_s and limit.rate_per_s / CALLS_A_ROW
    load = Load(view.rows, CALLS_A_ROW * call_s + ROUND_S, per_s, limit.concurrency, view.state.scale)
    demand = demand_of(load, max(within_s, soonest_s))
    return replace(demand, bound="limit") if demand.bound == "load" and soonest_s > within_s else demand


def _working(view: LaneView) -> Limit:
    """The account's limit as the limiter works at now; without those of single operations: what waits is not told apart."""
    limit, status = view.limit or Limit(), view.status
    return replace(
        limit,
        rate_per_s=(status.working_per_s if status else None) or limit.rate_per_s,
        concurrency=(status.working_concurrency if status else None) or limit.concurrency,
        operations={},
    )


def as_json(signals: Sequence[PoolSignal]) -> dict[str, object]:
    """The signal as an autoscaler reads it: ``pools.deliver.workers``."""
    return {
        "pools": {
            one.pool: {
                "workers": one.workers,
                "oldest_s": round(one.oldest_s, 1),
                "drain_s": None if one.drain_s is None else round(one.drain_s, 1),
                "lanes": {
                    lane.lane: {
                        "rows": lane.rows,
                        "oldest_s": round(lane.oldest_s, 1),
                        "drain_s": None if lane.demand.drain_s is None else round(lane.demand.drain_s, 1),
                        "slots": lane.demand.slots,
                        "bound": lane.demand.bound,
                    }
                    for lane in one.lanes
                },
            }
            for one in signals
        }
    }
