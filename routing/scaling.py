"""Decides how many workers pay: what waits, within the time it should be done, and never more than the target takes. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LEAST_SHARE = 1e-6
"""Below it a lane is as good as closed."""
Bound = Literal["idle", "load", "rate", "concurrency", "limit", "closed"]
"""``limit``: another one of the target's, such as a window or a day's budget; only callers that know of it say so."""


@dataclass(frozen=True, slots=True)
class Load:
    """What waits in one lane. ``row_s`` is how long one row keeps a slot; ``per_s`` and ``at_once`` are what the target allows,
    in rows (None: no such limit). ``share`` is what pause, window and ramp leave of it: 0 closed.
    """

    rows: int
    row_s: float
    per_s: float | None = None
    at_once: int | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What a lane takes: slots that pay now, the pace they reach, how long all of it takes then (None: it stands), and what
    bounds the pace: the load itself, or the target.
    """

    slots: int
    per_s: float
    drain_s: float | None
    bound: Bound


def demand_of(load: Load, within_s: float) -> Demand:
    """The slots that do what waits ``within_s``, or as soon as the target allows.

    >>> demand_of(Load(rows=9_000, row_s=0.2), within_s=900)
    Demand(slots=2, per_s=10.0, drain_s=900.0, bound='load')
    >>> demand_of(Load(rows=9_000, row_s=0.2, per_s=5.0), within_s=900)
    Demand(slots=1, per_s=5.0, drain_s=1800.0, bound='rate')
    """
    if load.rows == 0:
        return Demand(0, 0.0, 0.0, "idle")
    if load.share < LEAST_SHARE:
        return Demand(0, 0.0, None, "closed")
    by_rate = math.inf if load.per_s is None else load.per_s * load.share
    by_room = math.inf if load.at_once is None else max(1, int(load.at_once * load.share)) / load.row_s
    wanted = load.rows / within_s
    per_s = min(wanted, by_rate, by_room)
    bound: Bound = "load" if per_s == wanted else "rate" if by_rate <= by_room else "concurrency"
    return Demand(max(1, math.ceil(per_s * load.row_s - 1e-9)), per_s, load.rows / per_s, bound)


def workers_for(demands: Iterable[Demand], slots_each: int) -> int:
    """Workers of ``slots_each`` slots that hold all the demands; 0 when nothing waits that may go."""
    return math.ceil(sum(demand.slots for demand in demands) / slots_each)
