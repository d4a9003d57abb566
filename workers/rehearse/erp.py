"""Runs a target in a rehearsal: how long it takes to answer, when it fails, is down, or is full before its limit says so."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.throttle.base import Granted, Limit, Verdict
from adapters.throttle.local import LocalThrottle
from workers.rehearse.agenda import Agenda
from workers.rehearse.service import TargetService


@dataclass(frozen=True, slots=True)
class Outage:
    """The target answers nothing but errors from ``from_s`` to ``to_s`` after the rehearsal's begin."""

    target: str
    from_s: float
    to_s: float


@dataclass(slots=True)
class Erp:
    """One target. By whole seconds since the begin: the ``calls`` that it got, the seconds of permits ``held``."""

    agenda: Agenda
    begins_s: float
    service: TargetService
    outages: Sequence[Outage]
    random: random.Random
    calls: dict[int, int] = field(default_factory=dict)
    held: dict[int, float] = field(default_factory=dict)
    refused: int = 0
    _door: LocalThrottle | None = None

    def __post_init__(self) -> None:
        own = self.service.own_rate_per_s
        if own is not None:
            limit = Limit(own, burst=max(1, int(own / 5)), learn=None, breaker=None)
            self._door = LocalThrottle(limit, clock=self.agenda.clock)

    def answer(self) -> tuple[float, Verdict]:
        """How long the answer to a request that leaves now takes, and what it says."""
        since_s = self.agenda.now_s - self.begins_s
        self.calls[int(since_s)] = self.calls.get(int(since_s), 0) + 1
        took_s = self.service.call_ms.draw_s(self.random)
        if not self._enter():
            self.refused += 1
            return took_s, "throttled"
        if any(one.from_s <= since_s < one.to_s for one in self.outages) or self.random.random() < self.service.failing:
            return took_s, "failed"
        return took_s, "ok"

    def _enter(self) -> bool:
        if self._door is None:
            return True
        taken = self._door.acquire()
        if isinstance(taken, Granted):
            self._door.release(taken)
            return True
        return False
