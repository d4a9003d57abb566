"""Limits of an OData service: so many requests at once, a queue behind them, and so many in a sliding window."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from workers.sandbox.limits import Gate, Limits

Verdict = Literal["admitted", "concurrency", "rate", "queue"]


class ServiceLimits(Limits):
    """``queue`` requests may wait for a place, ``queue_wait_s`` each; ``window_calls`` are taken in any ``window_s`` seconds.

    The defaults are Business Central's for one user. Dataverse has no queue and 52 at once.
    """

    concurrency: int | None = Field(default=5, ge=1)
    queue: int = Field(default=95, ge=0)
    queue_wait_s: float = Field(default=480.0, gt=0)
    window_calls: int | None = Field(default=6000, ge=1)
    window_s: float = Field(default=300.0, gt=0)


class QueueGate(Gate):
    """Admits requests within the limits; one that finds no place waits for it in turn."""

    def __init__(self, limits: ServiceLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.waiting: deque[asyncio.Future[None]] = deque()
        self._taken: deque[float] = deque()
        self._now = clock
        super().__init__(limits, clock)
        self.service = limits

    def set(self, limits: Limits) -> None:
        """Change the limits; the window starts empty, and whoever has a place now goes on."""
        super().set(limits)
        self.service = limits if isinstance(limits, ServiceLimits) else ServiceLimits(**limits.model_dump())
        self._taken.clear()
        self._let_in()

    async def admit(self) -> Verdict:
        """Take a place, waiting for it if need be, or say what is in the way. Only ``admitted`` must be followed by leave()."""
        limits = self.service
        self.max_offered = max(self.max_offered, self.busy + len(self.waiting) + 1)
        if not self._in_window(limits):
            return "rate"
        if limits.concurrency is not None and self.busy >= limits.concurrency:
            if len(self.waiting) >= limits.queue:
                return "concurrency"
            if not await self._wait(limits.queue_wait_s):
                return "queue"
        else:
            self._enter()
        self._taken.append(self._now())
        return "admitted"

    def leave(self) -> None:
        """Give the place to the next in the queue."""
        super().leave()
        self._let_in()

    def _in_window(self, limits: ServiceLimits) -> bool:
        since = self._now() - limits.window_s
        while self._taken and self._taken[0] <= since:
            self._taken.popleft()
        return limits.window_calls is None or len(self._taken) < limits.window_calls

    async def _wait(self, longest_s: float) -> bool:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await asyncio.wait_for(asyncio.shield(turn), longest_s)
        except TimeoutError:
            self.waiting.remove(turn)
            return False
        return True

    def _let_in(self) -> None:
        limit = self.limits.concurrency
        while self.waiting and (limit is None or self.busy < limit):
            turn = self.waiting.popleft()
            if not turn.done():
                self._enter()
                turn.set_result(None)

    def _enter(self) -> None:
        self.busy += 1
        self.max_busy = max(self.max_busy, self.busy)
