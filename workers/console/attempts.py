"""Runs the limit on sign-ins: so many failures a name, an address, the two together, and altogether; then it is refused unasked.

Behind a proxy everybody has one address, and one guesser may use many: so names are counted by themselves as well. Nobody is
kept out for long by another's guesses: every stretch is a minute, and a browser in which they signed in before counts alone.
"""

import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

_MOST_KEYS = 10_000
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most ``count`` failures within ``within_s``."""

    count: int
    within_s: float


A_BROWSER = Allowance(5, 60)
A_NAME_THERE = Allowance(5, 60)
A_NAME = Allowance(10, 60)
AN_ADDRESS = Allowance(20, 60)
ALL = Allowance(120, 60)


@dataclass(frozen=True, slots=True)
class Try:
    """Who tries, from where. ``browser``: the mark of one in which this name signed in before, proved by its cookie."""

    address: str
    name: str
    browser: str = ""

    @property
    def counts(self) -> list[tuple[tuple[str, ...], Allowance]]:
        """What it is counted by: in a known browser by that alone, so that others' guesses are none of its."""
        name = self.name[:_LONGEST_NAME]
        if self.browser:
            return [(("browser", name, self.browser), A_BROWSER)]
        return [
            (("all",), ALL),
            (("address", self.address), AN_ADDRESS),
            (("name", name), A_NAME),
            (("name there", name, self.address), A_NAME_THERE),
        ]


class Attempts:
    """Failures of late. Thread-safe, bounded."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, ...], deque[datetime]] = OrderedDict()

    def wait_s(self, told: Try) -> float:
        """Seconds until another try is heard; 0 if it is now. The same for names that are there and that are not."""
        with self._lock:
            return max(self._left(key, allowed) for key, allowed in told.counts)

    def failed(self, told: Try) -> datetime:
        """Count a failure; returns the moment it is counted at."""
        at = self._now()
        with self._lock:
            for key, allowed in told.counts:
                self._failures.setdefault(key, deque(maxlen=allowed.count)).append(at)
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST_KEYS:
                self._failures.popitem(last=False)
        return at

    def succeeded(self, told: Try, counted_at: datetime) -> None:
        """It was none: take back what `failed` counted at that moment, and forget this name's failures here."""
        with self._lock:
            *wide, (own, _) = told.counts
            self._failures.pop(own, None)
            for key, _ in wide:
                with contextlib.suppress(KeyError, ValueError):
                    self._failures[key].remove(counted_at)

    def _left(self, key: tuple[str, ...], allowed: Allowance) -> float:
        kept = self._failures.get(key)
        if kept is None or len(kept) < allowed.count:
            return 0.0
        free_at = kept[0] + timedelta(seconds=allowed.within_s)
        return max(0.0, (free_at - self._now()).total_seconds())
