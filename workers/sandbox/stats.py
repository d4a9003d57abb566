"""Counts of what the sandbox was asked and what it did."""

import time
from collections import Counter
from collections.abc import Callable

from workers.sandbox.faults import Faults
from workers.sandbox.limits import Gate

_KEPT_S = 3600


class Stats:
    """Requests, by status and operation, per second; the same numbers can be counted from the log."""

    def __init__(self, gate: Gate, faults: Faults, clock: Callable[[], float] = time.time) -> None:
        self._gate = gate
        self._faults = faults
        self._clock = clock
        self._started_at = clock()
        self.requests = 0
        self.throttled = 0
        self.commits = 0
        self.replays = 0
        self._answers: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()
        self._offered: Counter[int] = Counter()
        self._admitted: Counter[int] = Counter()

    def asked(self, *, admitted: bool) -> None:
        """One more request under the limits' watch."""
        self.requests += 1
        second = int(self._clock())
        self._offered[second] += 1
        if admitted:
            self._admitted[second] += 1
        else:
            self.throttled += 1
        if len(self._offered) > 2 * _KEPT_S:
            for old in [s for s in self._offered if s < second - _KEPT_S]:
                del self._offered[old]
                self._admitted.pop(old, None)

    def answered(self, operation: str, answer: int | str) -> None:
        """One more answer."""
        self._answers[str(answer)] += 1
        self._operations[operation] += 1

    def as_json(self) -> dict[str, object]:
        """All counts. ``budget_used`` is the admitted requests' share of what the rate limit allows since the start."""
        limits = self._gate.limits
        passed_s = max(self._clock() - self._started_at, 1e-9)
        admitted = self.requests - self.throttled
        allowed = limits.rate_per_s * passed_s + limits.depth if limits.rate_per_s else None
        return {
            "requests": self.requests,
            "admitted": admitted,
            "throttled": self.throttled,
            "commits": self.commits,
            "replays": self.replays,
            "by_answer": dict(self._answers),
            "by_operation": dict(self._operations),
            "faults": dict(self._faults.struck),
            "concurrent_now": self._gate.busy,
            "max_concurrent": self._gate.max_busy,
            "max_concurrent_offered": self._gate.max_offered,
            "max_per_second": max(self._admitted.values(), default=0),
            "max_per_second_offered": max(self._offered.values(), default=0),
            "per_second": {str(second): count for second, count in sorted(self._offered.items())[-300:]},
            "budget_used": None if allowed is None else round(admitted / allowed, 4),
            "uptime_s": round(passed_s, 3),
        }
