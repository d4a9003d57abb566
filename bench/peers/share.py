"""Keeps a process to its part of the ERP's limit: the split by hand that a fleet without a shared limiter is left with."""

import threading
import time

from bench.peers.wiring import Wiring

COME_AGAIN_S = 0.1
"""Wait after a refusal before the same order is tried again."""
MOST_REFUSALS = 600


class Share:
    """A token bucket of this process alone; turns are given in the order they are asked for."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._lock = threading.Lock()
        self._tokens = self._burst
        self._filled_s = time.monotonic()

    def wait_s(self) -> float:
        """Take the next token, there or still to come; seconds to sleep until it is there."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._filled_s) * self._rate) - 1.0
            self._filled_s = now
            return max(0.0, -self._tokens / self._rate)


class RefusedError(Exception):
    """The ERP answered 429; the order is this worker's and is tried again."""


def share_of(wiring: Wiring) -> Share | None:
    """This process's part, None where nothing is split."""
    return Share(wiring.rate_per_s, wiring.burst) if wiring.throttle == "share" else None
