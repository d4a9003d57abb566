"""Puts a limit into the terms both limiters work in: plain numbers, the same ones the script in Redis reads as JSON."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.throttle.base import Budget, Limit, Window

LEAVES_S = 0.04
"""A request reaches the target this long after its permit was granted, as a rule: held back from the target's burst."""

_HELD_BACK_MOST = 0.25
_RESETS = 4


def own_burst(rate_per_s: float | None, burst: int) -> int:
    """The burst granted here: a little below the target's own, because requests leave some time after the grant.

    >>> own_burst(50, 10), own_burst(10, 3), own_burst(None, 5)
    (8, 3, 5)
    """
    held_back = min((rate_per_s or 0.0) * LEAVES_S, burst * _HELD_BACK_MOST)
    return max(1, burst - int(held_back))


@dataclass(frozen=True, slots=True)
class Terms:
    """A limit in numbers; 0 stands for no such limit. ``text`` is the same as JSON, for the script in Redis.

    ``resets`` holds, a budget each, moments (epoch seconds) its day begins: the one before now and some after it.
    """

    limit: Limit
    rate: float
    burst: int
    room: int
    resets: tuple[tuple[float, ...], ...]
    good_until: float
    text: str

    @property
    def free(self) -> bool:
        """True when nothing bounds the account unless its answers teach otherwise."""
        limit, learn = self.limit, self.limit.learn
        bounded = self.rate or self.room or limit.windows or limit.execution or limit.budgets or limit.points or limit.operations
        starts = learn is not None and (learn.start_per_s or learn.start_concurrency)
        return not bounded and not starts


def works_of(limit: Limit) -> tuple[Window, ...]:
    """The limits on execution time as windows of milliseconds."""
    return tuple(one.in_ms for one in limit.execution)


def terms_of(limit: Limit, now_s: float) -> Terms:
    """The terms in force at ``now_s`` (epoch seconds); make them again at ``good_until``, the next reset of a budget."""
    resets = tuple(_resets(budget, now_s) for budget in limit.budgets)
    until = min((days[2] for days in resets), default=float("inf"))
    rate, burst, room = limit.rate_per_s or 0.0, own_burst(limit.rate_per_s, limit.burst), limit.concurrency or 0
    return Terms(limit, rate, burst, room, resets, until, _text(limit, resets))


def _resets(budget: Budget, now_s: float) -> tuple[float, ...]:
    zone = ZoneInfo(budget.zone)
    hour, minute = (int(part) for part in budget.resets_at.split(":"))
    today = datetime.fromtimestamp(now_s, zone).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    return tuple((today + timedelta(days=day)).timestamp() for day in range(-1, _RESETS - 1))


def _text(limit: Limit, resets: tuple[tuple[float, ...], ...]) -> str:
    told = _bounds(limit)
    told["ops"] = {name: _bounds(inner) for name, inner in limit.operations.items()}
    told["work"] = [[window.calls, window.span_s] for window in works_of(limit)]
    told["budgets"] = [[budget.calls, *days] for budget, days in zip(limit.budgets, resets, strict=True)]
    if limit.points is not None:
        told["points"] = [limit.points.capacity, limit.points.restore_per_s, limit.points.per_call]
    learn, breaker = limit.learn, limit.breaker
    if learn is not None:
        start = (learn.start_per_s or 0, learn.start_concurrency or 0)
        told["learn"] = [learn.floor_per_s, learn.floor_concurrency, *start, learn.cooldown_s, learn.slow_ratio or 0]
    if breaker is not None:
        trip = (breaker.failures, breaker.ratio, breaker.least, breaker.span_s)
        told["breaker"] = [*trip, breaker.open_s, breaker.longest_open_s]
    return json.dumps(told, separators=(",", ":"))


def _bounds(limit: Limit) -> dict[str, object]:
    windows = [[window.calls, window.span_s] for window in limit.windows]
    burst = own_burst(limit.rate_per_s, limit.burst)
    return {"rate": limit.rate_per_s or 0, "burst": burst, "room": limit.concurrency or 0, "windows": windows}
