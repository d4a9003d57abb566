"""Throttle that outlives Redis: the safe share of this worker while the shared state is out of reach."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from adapters.throttle.account import Marks
from adapters.throttle.base import (
    ONE_CALL,
    PAUSED,
    RETRY_AFTER_MOST_S,
    Ask,
    Denied,
    Granted,
    Limit,
    OutOfReachError,
    Report,
    Throttle,
)
from adapters.throttle.local import LocalThrottle
from adapters.throttle.status import LaneStatus, Sample
from telemetry.events import Name

PROBE_S = 1.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Told once when the shared state is lost (LANE_THROTTLE_FALLBACK) and once when it is back
    (LANE_THROTTLE_RECOVERED); told once when a Retry-After is absurd (LANE_THROTTLE_CLAMPED).
    """

    event: Name
    account: str
    reason: str


class SharedThrottle(Throttle, Protocol):
    """A throttle that can be lost (its methods raise OutOfReachError) and joined again."""

    def held(self) -> tuple[str, ...]: ...
    def forget(self, lease: str) -> None: ...
    def adopt(self, leases: Iterable[str]) -> None: ...
    def rejoin(self, outage_s: float, hold_s: float, spent: int) -> None: ...
    def marks(self) -> Marks: ...
    def adjust(self, limit: Limit) -> None: ...
    def status(self) -> LaneStatus: ...
    def samples(self, since_s: float) -> list[Sample]: ...


class FallbackThrottle:
    """Uses ``shared`` while it answers, else this worker's ``limit.alone()``; never raises OutOfReachError.

    How far the account's limit holds in the hand-over:

    - Losing: the safe share begins with no tokens and counts the leases still held, so with ``workers * safe_share <=
      1`` the rate stays within ``rate * t + burst``. Calls already in flight plus the other workers' safe shares may
      exceed the concurrency until those calls end, by at most the sum of the safe shares (at least one call per
      worker).
    - A worker cut off alone: the others go on with the full limit, so its safe share comes on top until it is back.
    - Coming back: every worker looks each ``probe_s``. The first one back empties the shared bucket and holds it for
      two looks; each signs in the leases it holds before it asks. Nothing is exceeded if all find Redis within that
      time.
    - Windows and budgets: the safe share begins with its part of what was counted when Redis last answered, and what it
      spends is counted in when Redis is back. A Redis that comes back empty takes over what the first worker back
      remembers, a window's calls as if made just then. Only when every worker is new as well is a budget counted from
      nothing: then a day may see up to twice its calls.
    - A pause set by another worker is lost with a Redis that kept nothing on disk; one that this worker set or saw is
      kept.
    """

    def __init__(
        self,
        shared: SharedThrottle,
        limit: Limit,
        *,
        account: str,
        notify: Callable[[Notice], None],
        probe_s: float = PROBE_S,
    ) -> None:
        self._shared = shared
        self._safe = LocalThrottle(limit.alone(), full=False)
        self._account = account
        self._notify = notify
        self._probe_s = probe_s
        # Held for moments only, never during a call to Redis: no caller waits for the network behind another.
        self._gate = threading.Lock()
        self._lost_at: float | None = None
        self._share = limit.safe_share
        self._spent = 0
        self._clamped = False

    @property
    def lost(self) -> bool:
        """True while this worker works on its safe share."""
        return self._lost_at is not None

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        """Take a permit from the shared throttle, or from the safe share (where the burst, and so ``calls``, is
        smaller).
        """
        return self._ask(lambda throttle: throttle.acquire(ask), 0)

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more tokens under the lease, wherever it was taken."""
        return self._ask(lambda throttle: throttle.extend(permit, calls), permit.calls)

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give the permit back on both sides; while Redis is lost its lease there ends by itself."""
        with self._gate:
            self._safe.release(permit, unspent)
            self._shared.forget(permit.lease)
        self._tell(lambda: self._shared.release(permit, unspent))

    def pause(self, wait_s: float, reason: str) -> None:
        """Pause the fleet, or this worker until the fleet can be told."""
        self._safe.pause(wait_s, reason)
        self._tell(lambda: self._shared.pause(wait_s, reason))

    def report(self, seen: Report) -> None:
        """Tell what came of one exchange, wherever its permit was taken."""
        if seen.retry_after_s is not None:
            self._tell_clamped(seen.retry_after_s)
        if self._lost_at is not None:
            self._safe.report(seen)
        self._tell(lambda: self._shared.report(seen))

    def sent(self, permit: Granted) -> None:
        """Tell that a call of the permit has left, to whoever grants now."""
        (self._shared if self._lost_at is None else self._safe).sent(permit)

    def adjust(self, limit: Limit) -> None:
        """Another limit from the next call on, shared and alone."""
        self._share = limit.safe_share
        self._safe.adjust(limit.alone())
        self._shared.adjust(limit)

    def status(self) -> LaneStatus:
        """The lane now; this worker's share of it while Redis is lost."""
        try:
            return self._safe.status() if self.lost else self._shared.status()
        except OutOfReachError:
            return self._safe.status()

    def samples(self, since_s: float) -> list[Sample]:
        """One sample for each second with traffic; only this worker's while Redis is lost."""
        try:
            return self._safe.samples(since_s) if self.lost else self._shared.samples(since_s)
        except OutOfReachError:
            return self._safe.samples(since_s)

    def _tell_clamped(self, retry_after_s: float) -> None:
        absurd = retry_after_s > RETRY_AFTER_MOST_S
        if absurd and not self._clamped:
            reason = f"the target asks for a pause of {retry_after_s:g} s: it is asked again after {RETRY_AFTER_MOST_S:g} s"
            self._notify(Notice(Name.LANE_THROTTLE_CLAMPED, self._account, reason))
        self._clamped = absurd

    def _ask(self, question: Callable[[Throttle], Granted | Denied], already: int) -> Granted | Denied:
        while True:
            with self._gate:
                if self._lost_at is not None:
                    answer = question(self._safe)
                    self._spent += answer.calls - already if isinstance(answer, Granted) else 0
                    return answer
            try:
                return self._seen(question(self._shared))
            except OutOfReachError as error:
                self._lose(error)

    def _tell(self, news: Callable[[], None]) -> None:
        if self._lost_at is not None:
            return
        try:
            news()
        except OutOfReachError as error:
            self._lose(error)

    def _seen(self, answer: Granted | Denied) -> Granted | Denied:
        if isinstance(answer, Denied) and answer.reason.startswith(PAUSED):
            self._safe.pause(answer.wait_s, _why(answer))
        return answer

    def _lose(self, error: OutOfReachError) -> None:
        with self._gate:
            if self._lost_at is not None:
                return
            self._safe.empty(self._shared.held(), self._part_of(self._shared.marks()))
            self._spent = 0
            self._lost_at = time.monotonic()
        self._notify(Notice(Name.LANE_THROTTLE_FALLBACK, self._account, str(error)))
        threading.Thread(target=self._probe, name=f"throttle-probe-{self._account}", daemon=True).start()

    def _part_of(self, marks: Marks) -> Marks:
        windows, days = marks
        return [math.ceil(calls * self._share) for calls in windows], [
            (began, math.ceil(spent * self._share)) for began, spent in days
        ]

    def _probe(self) -> None:
        rest = threading.Event()
        while not self._join():
            rest.wait(self._probe_s)

    def _join(self) -> bool:
        with self._gate:
            self._shared.adopt(self._safe.held())
            outage_s = time.monotonic() - (self._lost_at or 0.0)
            spent, self._spent = self._spent, 0
        try:
            self._shared.rejoin(outage_s, 2 * self._probe_s, spent)
            spent = 0
            pause = self._safe.paused()
            if pause is not None:
                self._shared.pause(pause.wait_s, _why(pause))
        except OutOfReachError:
            with self._gate:
                self._spent += spent
            return False
        with self._gate:
            self._shared.adopt(self._safe.held())
            self._lost_at = None
        self._notify(Notice(Name.LANE_THROTTLE_RECOVERED, self._account, f"Redis answers again after {outage_s:.1f} s"))
        return True


def _why(pause: Denied) -> str:
    return pause.reason.removeprefix(f"{PAUSED}: ")
