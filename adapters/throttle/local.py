"""Throttle inside one process: the same algorithm in memory, thread-safe."""

import math
import secrets
import threading
import time
from collections.abc import Callable, Iterable

from adapters.throttle.base import FULL, ONE_CALL, PAUSED, RATE, Ask, Denied, Granted, Limit, Report

# A wait that ends on the microsecond must not fail for a rounding in the fifteenth digit.
_EPSILON = 1e-6
_FULL_WAIT_S = 0.005


class LocalThrottle:
    """One account's limiter for one process: for tests, for a single worker without Redis, and for the safe share.

    ``full`` says whether it begins with its burst at hand. A lease ends ``hold_max_s`` after it was taken or extended.

    >>> throttle = LocalThrottle(Limit(rate_per_s=50, burst=10, concurrency=4))
    >>> throttle.acquire(Ask(2))  # doctest: +ELLIPSIS
    Granted(lease='...', calls=2, ...)
    """

    def __init__(
        self,
        limit: Limit,
        *,
        full: bool = True,
        hold_max_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._hold_max_s = hold_max_s
        self._lock = threading.Lock()
        self._tokens = float(limit.burst) if full else 0.0
        self._at = clock()
        self._paused_until = -math.inf
        self._why = ""
        self._leases: dict[str, float] = {}

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        """Take request tokens (capped at the burst) and one lease, all or nothing."""
        with self._lock:
            return self._take(secrets.token_hex(12), ask.calls, 0)

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more tokens under a held lease. A lease that ran out is taken anew if there is room."""
        with self._lock:
            return self._take(permit.lease, calls, permit.calls)

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give back the lease and ``unspent`` tokens (never above the burst). Releasing twice is harmless."""
        with self._lock:
            self._refill()
            if self._leases.pop(permit.lease, None) is not None:
                back = max(0, min(unspent, permit.calls))
                self._tokens = min(float(self._limit.burst), self._tokens + back)

    def pause(self, wait_s: float, reason: str) -> None:
        """Grant nothing until ``wait_s`` from now; never shortens a longer pause."""
        with self._lock:
            until = self._clock() + wait_s
            if until > self._paused_until:
                self._paused_until, self._why = until, reason

    def report(self, seen: Report) -> None:
        """Tell what came of one exchange."""

    def paused(self) -> Denied | None:
        """The pause that is on now, if any."""
        with self._lock:
            return self._pause_left()

    def held(self) -> tuple[str, ...]:
        """Leases held now."""
        with self._lock:
            self._drop_expired()
            return tuple(self._leases)

    def empty(self, leases: Iterable[str]) -> None:
        """Begin anew with no tokens and with ``leases``, taken elsewhere, counted as held here."""
        with self._lock:
            self._at = self._clock()
            self._tokens = 0.0
            self._leases = dict.fromkeys(leases, self._at + self._hold_max_s)

    def _take(self, lease: str, calls: int, already: int) -> Granted | Denied:
        if calls < 1:
            raise ValueError(f"{calls} calls asked: ask for at least 1")
        self._refill()
        self._drop_expired()
        calls = min(calls, self._limit.burst)
        refused = self._refusal(lease, self._missing_s(calls))
        if refused is not None:
            return refused
        if self._limit.rate_per_s is not None:
            self._tokens -= calls
        self._leases[lease] = self._clock() + self._hold_max_s
        return Granted(lease, already + calls)

    def _missing_s(self, calls: int) -> float:
        missing = calls - self._tokens
        rate = self._limit.rate_per_s
        return 0.0 if rate is None or missing <= _EPSILON else missing / rate

    def _refusal(self, lease: str, missing_s: float) -> Denied | None:
        pause = self._pause_left()
        if pause is not None:
            return Denied(max(missing_s, pause.wait_s), pause.reason)
        room = self._limit.concurrency
        if room is not None and lease not in self._leases and len(self._leases) >= room:
            return Denied(max(missing_s, _FULL_WAIT_S), FULL)
        return Denied(missing_s, RATE) if missing_s > 0 else None

    def _pause_left(self) -> Denied | None:
        left_s = self._paused_until - self._clock()
        return Denied(left_s, f"{PAUSED}: {self._why}") if left_s > 0 else None

    def _refill(self) -> None:
        now = self._clock()
        if self._limit.rate_per_s is not None:
            gained = max(0.0, now - self._at) * self._limit.rate_per_s
            self._tokens = min(float(self._limit.burst), self._tokens + gained)
        self._at = now

    def _drop_expired(self) -> None:
        now = self._clock()
        for lease in [lease for lease, until in self._leases.items() if until <= now]:
            del self._leases[lease]
