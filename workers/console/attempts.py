"""Runs the limit on sign-ins: so many failures an address, a name at an address, and altogether; then it is refused unasked."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most ``count`` failures within ``within_s``."""

    count: int
    within_s: float


A_NAME = Allowance(5, 60)
AN_ADDRESS = Allowance(20, 300)
ALL = Allowance(120, 60)


class Attempts:
    """Failures of late. Thread-safe, bounded."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, ...], deque[datetime]] = OrderedDict()

    def wait_s(self, address: str, name: str) -> float:
        """Seconds until another try is heard; 0 if it is now. The same for names that are there and that are not."""
        with self._lock:
            return max(self._left(key, allowed) for key, allowed in _keys(address, name))

    def failed(self, address: str, name: str) -> None:
        """Count a failure."""
        with self._lock:
            for key, allowed in _keys(address, name):
                kept = self._failures.setdefault(key, deque(maxlen=allowed.count))
                self._failures.move_to_end(key)
                kept.append(self._now())
            while len(self._failures) > _MOST_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, address: str, name: str) -> None:
        """Forget the failures of this name at this address, and that this try was counted as one before it was looked at."""
        with self._lock:
            self._failures.pop((address, name[:64]), None)
            for key in ((), (address,)):
                if self._failures.get(key):
                    self._failures[key].pop()

    def _left(self, key: tuple[str, ...], allowed: Allowance) -> float:
        kept = self._failures.get(key)
        if kept is None or len(kept) < allowed.count:
            return 0.0
        free_at = kept[0] + timedelta(seconds=allowed.within_s)
        return max(0.0, (free_at - self._now()).total_seconds())


def _keys(address: str, name: str) -> list[tuple[tuple[str, ...], Allowance]]:
    return [((), ALL), ((address,), AN_ADDRESS), ((address, name[:64]), A_NAME)]
