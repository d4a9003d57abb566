"""Throttle inside one process: the same algorithm in memory, thread-safe."""

import secrets
import threading
import time
from collections.abc import Callable, Iterable

from adapters.throttle.account import Account, Marks
from adapters.throttle.base import ONE_CALL, Ask, Denied, Granted, Limit, Report
from adapters.throttle.lessons import judged, take_in
from adapters.throttle.meters import Meter
from adapters.throttle.status import LaneStatus, Sample
from adapters.throttle.terms import terms_of
from adapters.throttle.view import status_of


def steady_clock() -> Callable[[], float]:
    """Epoch seconds that never step: the machine's time now, carried on by its monotonic clock."""
    since = time.time() - time.monotonic()
    return lambda: time.monotonic() + since


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
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock = clock or steady_clock()
        self._lock = threading.Lock()
        now, terms = clock(), terms_of(limit, clock())
        meter = Meter(float(terms.burst) if full else 0.0, now)
        self._account = Account(terms, hold_max_s, now, meter)

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        """Take request tokens (capped at the burst) and one lease, all or nothing."""
        with self._lock:
            return self._now().ask(secrets.token_hex(8), ask, 0, extends=False)

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more tokens under a held lease. A lease that ran out is taken anew if there is room."""
        with self._lock:
            account = self._now()
            return account.ask(permit.lease, Ask(calls, permit.operation, account.scale), permit.calls, extends=True)

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give back the lease and ``unspent`` tokens (never above the burst). Releasing twice is harmless."""
        with self._lock:
            self._now().give(permit.lease, max(0, min(unspent, permit.calls)))

    def pause(self, wait_s: float, reason: str) -> None:
        """Grant nothing until ``wait_s`` from now; never shortens a longer pause."""
        with self._lock:
            self._now().pause(wait_s, reason)

    def report(self, seen: Report) -> None:
        """Tell what came of one exchange: the working limit and the breakers follow it."""
        with self._lock:
            take_in(self._now(), judged(seen, self._account.terms.limit))

    def sent(self, permit: Granted) -> None:
        """Tell that a call of the permit has left."""
        with self._lock:
            self._account.sent(permit.lease)

    def adjust(self, limit: Limit) -> None:
        """Another limit from now on; what was counted and learned stays."""
        with self._lock:
            self._account.terms = terms_of(limit, self._clock())

    def status(self) -> LaneStatus:
        """The lane now."""
        with self._lock:
            return status_of(self._now())

    def samples(self, since_s: float) -> list[Sample]:
        """One sample for each second with traffic since ``since_s`` ago, oldest first."""
        with self._lock:
            account = self._now()
            return [sample for sample in account.samples if sample.at >= account.now - since_s]

    def paused(self) -> Denied | None:
        """The pause that is on now, if any."""
        with self._lock:
            return self._now().paused()

    def held(self) -> tuple[str, ...]:
        """Leases held now."""
        with self._lock:
            return tuple(self._now().leases)

    def empty(self, leases: Iterable[str], marks: Marks | None = None) -> None:
        """Begin anew with no tokens, with ``leases`` counted as held here, and with what was counted elsewhere."""
        with self._lock:
            account = self._now()
            account.meter.tokens, account.meter.at = 0.0, account.now
            account.leases.clear()
            account.sign(leases)
            if marks is not None:
                account.remember(marks)

    def marks(self) -> Marks:
        """What windows and budgets have counted."""
        with self._lock:
            return self._now().marks()

    def _now(self) -> Account:
        now = self._clock()
        if now >= self._account.terms.good_until:
            self._account.terms = terms_of(self._account.terms.limit, now)
        self._account.tick(now)
        return self._account
