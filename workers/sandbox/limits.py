"""Limits of the sandbox: concurrent requests, a token bucket, and the time one request takes."""

import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["admitted", "concurrency", "rate"]


class Limits(BaseModel):
    """What the sandbox allows. ``None`` lifts a limit; ``burst`` defaults to one second of ``rate_per_s``.

    ``job_delay_ms`` passes before the first item of an asynchronous request is worked on, then each takes the service time.
    ``over_limit_as_401`` answers a request over the limit as a failed login, as token-based clients have seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int | None = Field(default=15, ge=1)
    rate_per_s: float | None = Field(default=None, gt=0)
    burst: int | None = Field(default=None, ge=1)
    retry_after_s: int | None = Field(default=None, ge=0)
    service_time_ms: float = Field(default=0.0, ge=0)
    service_jitter_ms: float = Field(default=0.0, ge=0)
    job_delay_ms: float = Field(default=50.0, ge=0)
    token_ttl_s: float = Field(default=3600.0, gt=0)
    over_limit_as_401: bool = False

    @property
    def depth(self) -> float:
        """Tokens the bucket holds when full."""
        return float(self.burst) if self.burst is not None else max(1.0, self.rate_per_s or 1.0)


class Gate:
    """Admits requests within the limits and remembers the most it was ever asked for at once."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.busy = 0
        self.max_busy = 0
        self.max_offered = 0
        self.set(limits)

    def set(self, limits: Limits) -> None:
        """Change the limits; requests under way keep their place, the bucket starts full."""
        self.limits = limits
        self._tokens = limits.depth
        self._filled_at = self._clock()

    def enter(self) -> Verdict:
        """Take a place and a token, or say which limit is in the way. Only ``admitted`` must be followed by leave()."""
        self.max_offered = max(self.max_offered, self.busy + 1)
        limits = self.limits
        if limits.concurrency is not None and self.busy >= limits.concurrency:
            return "concurrency"
        if limits.rate_per_s is not None and not self._take(limits.rate_per_s, limits.depth):
            return "rate"
        self.busy += 1
        self.max_busy = max(self.max_busy, self.busy)
        return "admitted"

    def leave(self) -> None:
        """Give the place back."""
        self.busy -= 1

    def _take(self, rate_per_s: float, depth: float) -> bool:
        now = self._clock()
        self._tokens = min(depth, self._tokens + (now - self._filled_at) * rate_per_s)
        self._filled_at = now
        if self._tokens < 1.0 - 1e-9:
            return False
        self._tokens -= 1.0
        return True
