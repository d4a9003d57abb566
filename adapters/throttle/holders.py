"""Counts who holds an account's leases, and who waits for more calls. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Lease:
    """Held until ``until``. ``begun``: of the calls granted last the first one was sent; ``ahead`` others were not, as far as is
    known.
    """

    until: float
    ahead: int
    operation: str
    begun: bool = False

    def sent(self) -> None:
        """One of its calls has left."""
        if self.begun:
            self.ahead = max(0, self.ahead - 1)
        self.begun = True


@dataclass(slots=True)
class Waiter:
    """A lease holder that was refused more calls: its place among those that wait for tokens."""

    lease: str
    calls: int
    until: float
