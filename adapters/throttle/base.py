"""Port of a lane's throttle: permits to call one outside account."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """What an account allows. ``safe_share`` is the part one worker may use alone when the shared state is out of reach."""

    rate_per_s: float | None = None
    burst: int = 1
    concurrency: int | None = None
    safe_share: float = 0.25


@dataclass(frozen=True, slots=True)
class Granted:
    """A permit: ``calls`` requests may be sent, one after another, under one concurrency lease named ``lease``."""

    lease: str
    calls: int


@dataclass(frozen=True, slots=True)
class Denied:
    """No permit now; asking again before ``wait_s`` has passed cannot succeed by the local picture."""

    wait_s: float
    reason: str


class Throttle(Protocol):
    """One outside account's limiter, shared by the fleet. Every method returns at once."""

    def acquire(self, calls: int = 1) -> Granted | Denied:
        """Take ``calls`` request tokens (capped at the burst) and one concurrency lease, all or nothing."""
        ...

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more request tokens under the lease already held, and keep the lease alive."""
        ...

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give the lease and ``unspent`` request tokens back. Releasing twice is harmless."""
        ...

    def pause(self, wait_s: float, reason: str) -> None:
        """Close the account for the whole fleet until ``wait_s`` from now (a Retry-After); never shortens a longer pause."""
        ...
