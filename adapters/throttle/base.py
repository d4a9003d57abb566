"""Port of a lane's throttle: permits to call one outside account."""

import math
from dataclasses import dataclass
from typing import Protocol

PAUSED = "paused"
RATE = "rate"
FULL = "concurrency"


@dataclass(frozen=True, slots=True)
class Limit:
    """What an account allows. ``None`` means no such limit. ``safe_share`` is the part one worker may use alone when
    the shared state is out of reach: keep ``workers * safe_share <= 1``.

    The limit counts permits when they are granted; requests leave up to one permit's life later, so a target that
    polices its own bucket strictly wants a ``burst`` here a little below its own. Raises ValueError for a limit that
    could never grant.
    """

    rate_per_s: float | None = None
    burst: int = 1
    concurrency: int | None = None
    safe_share: float = 0.25

    def __post_init__(self) -> None:
        if self.rate_per_s is not None and not (math.isfinite(self.rate_per_s) and self.rate_per_s > 0):
            raise ValueError(f"rate_per_s is {self.rate_per_s}: give a number above 0, or leave it out for no rate limit")
        if self.burst < 1:
            raise ValueError(f"burst is {self.burst}: give at least 1")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency is {self.concurrency}: give at least 1, or leave it out for no such limit")
        if not 0 < self.safe_share <= 1:
            raise ValueError(f"safe_share is {self.safe_share}: give a part of the limit, above 0 and at most 1")

    def alone(self) -> "Limit":
        """The part of this limit one worker may use by itself; never less than one call at a time."""
        rate = None if self.rate_per_s is None else self.rate_per_s * self.safe_share
        room = None if self.concurrency is None else max(1, int(self.concurrency * self.safe_share))
        return Limit(rate, max(1, int(self.burst * self.safe_share)), room, self.safe_share)


@dataclass(frozen=True, slots=True)
class Granted:
    """A permit: ``calls`` requests may be sent, one after another, under one concurrency lease named ``lease``."""

    lease: str
    calls: int


@dataclass(frozen=True, slots=True)
class Denied:
    """No permit now. ``wait_s`` is exact for rate and pause (asking earlier cannot succeed), a hint when all leases are
    out.

    ``reason`` begins with ``rate``, ``concurrency`` or ``paused``.
    """

    wait_s: float
    reason: str


class OutOfReachError(Exception):
    """The state shared by the fleet cannot be reached: nothing was granted as far as this process knows."""


class Throttle(Protocol):
    """One outside account's limiter, shared by the fleet. Every method returns at once."""

    def acquire(self, calls: int = 1) -> Granted | Denied:
        """Take ``calls`` request tokens (capped at the burst) and one concurrency lease, all or nothing."""
        ...

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more request tokens under the lease already held, and keep the lease alive.

        The permit returned replaces the old one; its ``calls`` is the sum.
        """
        ...

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give the lease and ``unspent`` request tokens back. Releasing twice is harmless."""
        ...

    def pause(self, wait_s: float, reason: str) -> None:
        """Close the account for the whole fleet until ``wait_s`` from now (a Retry-After); never shortens a longer
        pause.
        """
        ...
