"""Port of a lane's throttle: what an account allows, permits to call it, and what its answers teach."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

PAUSED = "paused"
RATE = "rate"
FULL = "concurrency"
WINDOW = "window"
EXECUTION = "execution"
BUDGET = "budget"
POINTS = "points"
BREAKER = "breaker"

Verdict = Literal["ok", "throttled", "failed", "lost"]


def _above(name: str, value: float | None, least: float = 0.0, *, equal: bool = False) -> None:
    if value is None:
        return
    if not math.isfinite(value) or value < least or (value == least and not equal):
        raise ValueError(f"{name} is {value}: give a number {'at least' if equal else 'above'} {least:g}")


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``calls`` requests in any ``span_s`` seconds (sliding). Raises ValueError for one that never grants."""

    calls: int
    span_s: float

    def __post_init__(self) -> None:
        _above("windows: calls", self.calls, 1, equal=True)
        _above("windows: span_s", self.span_s)


@dataclass(frozen=True, slots=True)
class Execution:
    """At most ``busy_s`` seconds of the target's own work in any ``span_s`` (sliding), as far as answers' durations show it.

    Raises ValueError for one that never grants.
    """

    busy_s: float
    span_s: float

    def __post_init__(self) -> None:
        _above("execution: busy_s", self.busy_s, 0.001, equal=True)
        _above("execution: span_s", self.span_s)

    @property
    def in_ms(self) -> Window:
        """The same as a window in which a millisecond counts as a call."""
        return Window(int(self.busy_s * 1000), self.span_s)


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``calls`` requests a day, counted from ``resets_at`` (HH:MM) in the time zone ``zone``.

    Raises ValueError for a time or zone that does not exist.
    """

    calls: int
    resets_at: str = "00:00"
    zone: str = "UTC"

    def __post_init__(self) -> None:
        _above("budgets: calls", self.calls, 1, equal=True)
        hours, _, minutes = self.resets_at.partition(":")
        if not (len(self.resets_at) == 5 and hours.isdecimal() and minutes.isdecimal() and hours < "24" and minutes < "60"):
            raise ValueError(f"budgets: resets_at is {self.resets_at!r}: give a time of day as HH:MM")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"budgets: no time zone {self.zone!r}: give a name like 'America/Los_Angeles'") from None


@dataclass(frozen=True, slots=True)
class Points:
    """A bucket of cost points (Shopify GraphQL): a request is expected to cost ``per_call``; what it did cost comes back
    in the answers' hints.
    """

    capacity: int
    restore_per_s: float
    per_call: int = 1

    def __post_init__(self) -> None:
        _above("points: capacity", self.capacity, 1, equal=True)
        _above("points: restore_per_s", self.restore_per_s)
        _above("points: per_call", self.per_call, 1, equal=True)
        if self.per_call > self.capacity:
            raise ValueError(f"points: per_call is {self.per_call}: give at most the capacity, {self.capacity}")


@dataclass(frozen=True, slots=True)
class Learn:
    """How the working limit follows the target's answers: never above the limit, never below the floors.

    ``start_*`` is where it begins; None begins at the limit, or without any where none is given. It lowers at most once
    in ``cooldown_s``. Mean latency above ``slow_ratio`` times the best recent one counts as overload; None ignores it.
    """

    floor_per_s: float = 0.5
    floor_concurrency: int = 1
    start_per_s: float | None = None
    start_concurrency: int | None = None
    cooldown_s: float = 0.25
    slow_ratio: float | None = 3.0

    def __post_init__(self) -> None:
        _above("learn: floor_per_s", self.floor_per_s)
        _above("learn: floor_concurrency", self.floor_concurrency, 1, equal=True)
        _above("learn: start_per_s", self.start_per_s)
        _above("learn: start_concurrency", self.start_concurrency, 1, equal=True)
        _above("learn: cooldown_s", self.cooldown_s)
        _above("learn: slow_ratio", self.slow_ratio, 1.0)


@dataclass(frozen=True, slots=True)
class Breaker:
    """When to stop asking a target that does not work, for the account and for each operation.

    It opens after ``failures`` in a row, or (an operation's) when at least ``ratio`` of ``least`` and more requests of
    the last ``span_s`` failed; an answer that took longer than ``slow_s`` counts as failed. Open it stays ``open_s``,
    doubled at every probe that fails, at most ``longest_open_s``.
    """

    failures: int = 10
    ratio: float = 0.5
    least: int = 20
    span_s: float = 10.0
    slow_s: float | None = None
    open_s: float = 2.0
    longest_open_s: float = 120.0

    def __post_init__(self) -> None:
        _above("breaker: failures", self.failures, 1, equal=True)
        _above("breaker: ratio", self.ratio)
        if self.ratio > 1:
            raise ValueError(f"breaker: ratio is {self.ratio}: give a part, above 0 and at most 1")
        _above("breaker: least", self.least, 1, equal=True)
        for name in ("span_s", "slow_s", "open_s"):
            _above(f"breaker: {name}", getattr(self, name))
        _above("breaker: longest_open_s", self.longest_open_s, self.open_s, equal=True)


@dataclass(frozen=True, slots=True)
class Limit:
    """What an account allows, in the target's own words. ``None`` and empty mean no such limit. ``safe_share`` is the
    part one worker may use alone when the shared state is out of reach: keep ``workers * safe_share <= 1``.

    ``operations`` holds further limits (rate, burst, concurrency, windows) of single operations. ``learn`` None holds the
    limit fixed; ``breaker`` None never stops asking. Raises ValueError for a limit that could never grant.
    """

    rate_per_s: float | None = None
    burst: int = 1
    concurrency: int | None = None
    safe_share: float = 0.25
    windows: tuple[Window, ...] = ()
    execution: tuple[Execution, ...] = ()
    budgets: tuple[Budget, ...] = ()
    points: Points | None = None
    operations: Mapping[str, "Limit"] = field(default_factory=dict, hash=False)
    learn: Learn | None = field(default_factory=Learn)
    breaker: Breaker | None = field(default_factory=Breaker)

    def __post_init__(self) -> None:
        if self.rate_per_s is not None and not (math.isfinite(self.rate_per_s) and self.rate_per_s > 0):
            raise ValueError(f"rate_per_s is {self.rate_per_s}: give a number above 0, or leave it out for no rate limit")
        if self.burst < 1:
            raise ValueError(f"burst is {self.burst}: give at least 1")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency is {self.concurrency}: give at least 1, or leave it out for no such limit")
        if not 0 < self.safe_share <= 1:
            raise ValueError(f"safe_share is {self.safe_share}: give a part of the limit, above 0 and at most 1")
        for name, inner in self.operations.items():
            if inner.operations or inner.budgets or inner.points or inner.execution:
                raise ValueError(f"operations: {name!r} has more than rate, burst, concurrency and windows: give these only")

    def alone(self) -> "Limit":
        """The part of this limit one worker may use by itself; never less than one call at a time."""

        def part(calls: int) -> int:
            return max(1, int(calls * self.safe_share))

        points, share = self.points, self.safe_share
        inner = {name: replace(limit, safe_share=share).alone() for name, limit in self.operations.items()}
        learn = self.learn and replace(
            self.learn,
            start_per_s=self.learn.start_per_s and self.learn.start_per_s * share,
            start_concurrency=self.learn.start_concurrency and part(self.learn.start_concurrency),
        )
        return replace(
            self,
            learn=learn,
            rate_per_s=None if self.rate_per_s is None else self.rate_per_s * share,
            burst=part(self.burst),
            concurrency=None if self.concurrency is None else part(self.concurrency),
            windows=tuple(Window(part(w.calls), w.span_s) for w in self.windows),
            execution=tuple(Execution(max(0.001, e.busy_s * share), e.span_s) for e in self.execution),
            budgets=tuple(replace(b, calls=part(b.calls)) for b in self.budgets),
            points=points and Points(max(points.per_call, part(points.capacity)), points.restore_per_s * share, points.per_call),
            operations=inner,
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for. ``scale`` (above 0, at most 1) multiplies rate and concurrency: the ramp after a maintenance.
    ``at_once``: so many of the calls would go side by side, if nothing bounds how many may.
    """

    calls: int = 1
    operation: str = ""
    scale: float = 1.0
    at_once: int = 1

    def __post_init__(self) -> None:
        if self.calls < 1:
            raise ValueError(f"{self.calls} calls asked: ask for at least 1")
        if self.at_once < 1:
            raise ValueError(f"{self.at_once} calls at once asked: ask for at least 1")
        if not 0 < self.scale <= 1:
            raise ValueError(f"scale is {self.scale}: give a part of the limit, above 0 and at most 1")


ONE_CALL = Ask()


@dataclass(frozen=True, slots=True)
class Granted:
    """A permit: ``calls`` requests of ``operation`` may be sent under one lease named ``lease``, one after another or, where
    nothing bounds them, up to ``at_once`` side by side.

    ``probe``: the one request a half-open breaker lets through; its failure costs no attempt.
    """

    lease: str
    calls: int
    probe: bool = False
    operation: str = ""
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Denied:
    """No permit now. ``wait_s`` is exact for rate, window, budget and pause (asking earlier cannot succeed), a hint when
    all leases are out or a probe is under way.

    ``reason`` begins with ``rate``, ``window``, ``execution``, ``budget``, ``points``, ``concurrency``, ``paused`` or
    ``breaker``; ``operation`` is set when only that operation's own limit or breaker refuses: the rest of the lane may go on.
    """

    wait_s: float
    reason: str
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Hints:
    """What an answer says of the account's limits, normalised; None where it says nothing.

    ``remaining`` of ``limit`` requests are left until ``reset_s`` from now (a window, or a bucket when ``reset_s`` is
    None); ``rate_per_s`` is the rate granted; ``points_*`` speak of cost points.
    """

    remaining: float | None = None
    limit: float | None = None
    reset_s: float | None = None
    rate_per_s: float | None = None
    points_left: float | None = None
    points_capacity: float | None = None
    points_restore_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One exchange as the limiter should know it. ``latency_s`` from the request's first byte to the answer's last."""

    operation: str
    latency_s: float
    verdict: Verdict
    retry_after_s: float | None = None
    hints: Hints | None = None


RETRY_AFTER_MOST_S = 3600.0
"""A target that asks for a longer pause than this gets this one, and is asked again then."""


class OutOfReachError(Exception):
    """The state shared by the fleet cannot be reached: nothing was granted as far as this process knows."""


class Throttle(Protocol):
    """One outside account's limiter, shared by the fleet. Every method returns at once."""

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        """Take request tokens (capped at the burst) and one concurrency lease under every limit, all or nothing."""
        ...

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more request tokens under the lease already held, and keep the lease alive; never starved by acquires.

        The permit returned replaces the old one; its ``calls`` is the sum.
        """
        ...

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give the lease and ``unspent`` request tokens back. Releasing twice is harmless."""
        ...

    def pause(self, wait_s: float, reason: str) -> None:
        """Close the account for the whole fleet until ``wait_s`` from now (a Retry-After); never shortens a longer
        pause.
        """
        ...

    def sent(self, permit: Granted) -> None:
        """Tell that a call of the permit leaves now: what was granted and has not left is still to come at the target. Cheap."""
        ...

    def report(self, seen: Report) -> None:
        """Tell what came of one exchange: the working limit, the breakers and the figures follow it. Cheap."""
        ...
