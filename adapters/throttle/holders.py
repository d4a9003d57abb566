"""Counts who holds an account's leases, who waits for more calls, and how many hold one as a rule. Pure."""

import math
from dataclasses import dataclass

USUAL_S = 4.0
"""What is usual is the mean of about so long: a stall of a second must show as one."""


@dataclass(slots=True)
class Lease:
    """Held until ``until``; ``ahead`` calls of it have not been sent yet, as far as is known."""

    until: float
    ahead: int
    operation: str


@dataclass(slots=True)
class Waiter:
    """A lease holder that was refused more calls: its place among those that wait for tokens."""

    lease: str
    calls: int
    until: float


@dataclass(slots=True)
class Usual:
    """How many leases are held as a rule, as of ``at``."""

    at: float
    held: float = 0.0

    def follow(self, now: float, held: int) -> None:
        """``held`` leases were held since ``at``."""
        self.held += (held - self.held) * (1 - math.exp(-max(0.0, now - self.at) / USUAL_S))
        self.at = now

    def beyond(self, held: int) -> float:
        """Leases beyond what is usual: calls that were granted and that something on our side holds up."""
        return max(0.0, held - self.held)
