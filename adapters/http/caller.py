"""Spends a permit: every request of one piece of work goes out through its Caller, one call each."""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from msgspec import Struct

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.client import Client, Pairs
from adapters.http.retry_after import read_retry_after
from adapters.http.turns import rest
from adapters.throttle.base import Denied, Granted, Hints, OutOfReachError, Report, Throttle, Verdict
from adapters.throttle.hints import read_hints

_log = logging.getLogger(__name__)
_IDEMPOTENT = frozenset({"GET", "HEAD"})


class Observation(Struct, frozen=True):
    """One exchange as telemetry may see it: no path, no body, no header.

    ``status_class`` is ``2xx`` to ``5xx``, ``not_sent`` or ``lost``; ``throttled`` is a 429, or a 503 with Retry-After.
    """

    target: str
    operation: str
    method: str
    status_class: str
    elapsed_s: float
    throttled: bool


class Caller:
    """Holds one permit and spends it; used by one thread. Leaving the ``with`` block gives lease and unspent calls
    back.

    Beyond the permit's calls it takes one at a time from the throttle and waits at most ``wait_max_s`` for each;
    ``stop`` ends such a wait (a worker that shuts down). Either way the answer is NotSent.

    >>> with Caller(client, throttle, permit) as caller:  # doctest: +SKIP
    ...     answer = caller.send("GET", f"/order/{segment(key)}", operation="order.find")
    """

    def __init__(
        self,
        client: Client,
        throttle: Throttle,
        permit: Granted,
        *,
        wait_max_s: float = 10.0,
        stop: threading.Event | None = None,
        observe: Callable[[Observation], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._throttle = throttle
        self._permit = permit
        self._unspent = permit.calls
        self._throttled = False
        self._wait_max_s = wait_max_s
        self._stop = stop or threading.Event()
        self._observe = observe

    @property
    def unspent(self) -> int:
        """Calls of the permit not yet spent."""
        return self._unspent

    @property
    def throttled(self) -> bool:
        """Whether the last answer was reported to the throttle as a refusal for the target's limits."""
        return self._throttled

    def send(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        query: Pairs = (),
        headers: Pairs = (),
        body: bytes = b"",
        idempotent: bool | None = None,
        timeout_s: float | None = None,
    ) -> Exchange:
        """Send one request under the target's base URL and spend one call; a request that did not leave costs none.

        ``idempotent`` (by default GET and HEAD) allows one more sending when a kept connection died in silence; say
        True only for what changes nothing, such as a query sent by POST. Raises ValueError for a path or header that
        HTTP forbids.
        """
        request = self._client.prepare(method, path, query, headers, body)
        refusal = self._spend()
        began = time.monotonic()
        repeatable = method in _IDEMPOTENT if idempotent is None else idempotent
        outcome = refusal or self._client.send(request, body, idempotent=repeatable, timeout_s=timeout_s)
        if refusal is None and isinstance(outcome, NotSent):
            self._unspent += 1
        elapsed_s = time.monotonic() - began
        if refusal is None:
            self._report(outcome, elapsed_s)
        self._tell(operation, method, outcome, elapsed_s)
        return outcome

    def close(self) -> None:
        """Give lease and unspent calls back; twice is harmless."""
        unspent, self._unspent = self._unspent, 0
        # Out of reach the lease ends by its own life, and the work it was for has its outcome already.
        with contextlib.suppress(OutOfReachError):
            self._throttle.release(self._permit, unspent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _spend(self) -> NotSent | None:
        until = time.monotonic() + self._wait_max_s
        while self._unspent < 1:
            more = self._more()
            if more is None:
                continue
            if time.monotonic() + more.wait_s > until:
                return NotSent(f"no call free within {self._wait_max_s:g} s: {more.reason}", more.wait_s)
            if rest(more.wait_s, self._stop):
                return NotSent("the worker is stopping", more.wait_s)
        self._unspent -= 1
        self._throttle.sent(self._permit)
        return None

    def _more(self) -> Denied | None:
        try:
            answer = self._throttle.extend(self._permit, 1)
        except OutOfReachError as error:
            return Denied(math.inf, str(error))
        if isinstance(answer, Denied):
            return answer
        self._unspent += answer.calls - self._permit.calls
        self._permit = answer
        return None

    def _report(self, outcome: Exchange, elapsed_s: float) -> None:
        # Out of reach nobody can learn from it, and the exchange has its outcome.
        lesson = _lesson(self._permit.operation, outcome, elapsed_s)
        self._throttled = lesson.verdict == "throttled"
        with contextlib.suppress(OutOfReachError):
            self._throttle.report(lesson)

    def _tell(self, operation: str, method: str, outcome: Exchange, elapsed_s: float) -> None:
        status_class, throttled = _seen(outcome)
        seen = Observation(self._client.target.name, operation, method, status_class, elapsed_s, throttled)
        try:
            self._observe(seen)
        except Exception:  # noqa: BLE001  the request has taken its effect: a listener's fault must not hide the answer
            _log.exception("the observer of %s failed on %s", seen.target, operation)


def _lesson(operation: str, outcome: Exchange, elapsed_s: float) -> Report:
    """What the limiter should know of an exchange: by its status alone, an adapter may know better."""
    if isinstance(outcome, Lost):
        return Report(operation, elapsed_s, "lost")
    if isinstance(outcome, NotSent):
        return Report(operation, elapsed_s, "failed")
    verdict: Verdict = "ok" if outcome.status < 500 else "failed"
    retry_after_s, hints = None, read_hints(outcome.headers, outcome.body, time.time())
    if _throttled(outcome):
        verdict = "throttled"
        wait = read_retry_after(outcome.header("retry-after"), now=datetime.now(UTC), max_s=math.inf)
        retry_after_s = wait.said_s if wait is not None else _reset_s(hints)
    return Report(operation, elapsed_s, verdict, retry_after_s, hints)


def _reset_s(hints: Hints | None) -> float | None:
    return None if hints is None else hints.reset_s


def _seen(outcome: Exchange) -> tuple[str, bool]:
    if isinstance(outcome, NotSent):
        return "not_sent", False
    if isinstance(outcome, Lost):
        return "lost", False
    return f"{outcome.status // 100}xx", _throttled(outcome)


def _throttled(answer: Answer) -> bool:
    return answer.status == 429 or (answer.status == 503 and answer.header("retry-after") is not None)
