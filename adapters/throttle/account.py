"""Decides who may call one outside account: every bound at once, all or nothing. Pure: the clock is an argument.

``permits.lua`` is the same algorithm inside Redis; a property test holds the two to the same answers.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from adapters.throttle.base import (
    BREAKER,
    BUDGET,
    EXECUTION,
    FULL,
    PAUSED,
    POINTS,
    RATE,
    WINDOW,
    Ask,
    Denied,
    Granted,
    Limit,
    Points,
)
from adapters.throttle.breaking import Fuse
from adapters.throttle.holders import Lease, Waiter
from adapters.throttle.learning import RATE_DOUBLES_S, ROOM_DOUBLES_S, Pace, Pulse, Working
from adapters.throttle.meters import PARTS, Day, Meter, Purse
from adapters.throttle.status import KEPT_S, Sample
from adapters.throttle.terms import LEAVES_S, Terms, own_burst, works_of

FULL_WAIT_S = 0.005
QUEUE_S = 0.5
"""An extend that was refused keeps its place this long after the time it was told to wait."""
Marks = tuple[list[int], list[tuple[float, int]]]
"""What windows (of calls, then of execution time in ms) and budgets have counted: for whoever must go on without this state."""


@dataclass(slots=True)
class Account:
    """State of one account. ``life_s`` is a lease's."""

    terms: Terms
    life_s: float
    now: float
    meter: Meter
    meters: dict[str, Meter] = field(default_factory=dict)
    work: Meter = field(default_factory=lambda: Meter(0.0, 0.0))
    days: list[Day] = field(default_factory=list)
    purse: Purse | None = None
    pause_until: float = -math.inf
    pause_why: str = ""
    leases: dict[str, Lease] = field(default_factory=dict)
    waiters: list[Waiter] = field(default_factory=list)
    scale: float = 1.0
    rate: Working | None = None
    room: Working | None = None
    lowered: float = -math.inf
    streak: int = 0
    pulses: dict[str, Pulse] = field(default_factory=dict)
    pace: Pace = field(init=False)
    fuses: dict[str, Fuse] = field(default_factory=dict)
    second: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT_S))

    def __post_init__(self) -> None:
        self.pace = Pace(self.now, self.now)
        learn = self.terms.limit.learn
        if learn is not None and learn.start_per_s is not None:
            self.rate = Working(learn.start_per_s, learn.start_per_s, self.now, since=self.now)
        if learn is not None and learn.start_concurrency is not None:
            self.room = Working(float(learn.start_concurrency), float(learn.start_concurrency), self.now, since=self.now)

    # What is asked.

    def ask(self, lease: str, ask: Ask, already: int, *, extends: bool) -> Granted | Denied:
        """Calls and a lease, or when to ask again. ``already`` calls were granted under the lease before."""
        tokens, at, scale = self.meter.tokens, self.meter.at, self.scale
        calls = self._most_calls(ask)
        refused = self._refusal(lease, ask.operation, calls, extends=extends)
        if refused is not None:
            # For one call the bucket fills less high than for two: what is refused leaves it as it was.
            if not extends and self.rate is None and self.room is None and self.scale == scale:
                self.meter.tokens, self.meter.at = tokens, min(at, self.now)
            return refused
        self._spend(ask.operation, calls)
        self.waiters = [waiter for waiter in self.waiters if waiter.lease != lease]
        self.leases[lease] = Lease(self.now + self.life_s, calls - 1, ask.operation)
        probes = [fuse for fuse in self._fuses(ask.operation) if fuse.opens > 0]
        for fuse in probes:
            fuse.probe = lease
        at_once = ask.at_once if self._unbounded and not probes else 1
        return Granted(lease, already + calls, bool(probes), ask.operation, at_once)

    @property
    def _unbounded(self) -> bool:
        return self.terms.free and self.rate is None and self.room is None

    def give(self, lease: str, unspent: int) -> None:
        """The lease ends; calls that were not sent come back."""
        self.waiters = [waiter for waiter in self.waiters if waiter.lease != lease]
        if lease not in self.leases:
            return
        if self._held_up():
            # What was gained while so much was held up is bounded by that, not by what is held up afterwards.
            at_once = max(held.ahead for held in self.leases.values()) + 1
            self.meter.refill(self.now, self.rate_now(), self.most_tokens(at_once))
        held = self.leases.pop(lease)
        for fuse in self._fuses(held.operation):
            if fuse.probe == lease:
                fuse.probe = ""
        if unspent > 0:
            self._give_back(held.operation, unspent)

    def sent(self, lease: str) -> None:
        """A call of this lease has left."""
        held = self.leases.get(lease)
        if held is not None:
            held.sent()

    def keep(self, leases: Iterable[str]) -> list[str]:
        """Renew these leases; returns those that are not held."""
        missing = []
        for lease in leases:
            held = self.leases.get(lease)
            if held is None:
                missing.append(lease)
            else:
                held.until = self.now + self.life_s
        return missing

    def sign(self, leases: Iterable[str]) -> None:
        """Take leases in that were granted elsewhere."""
        for lease in leases:
            self.leases[lease] = Lease(self.now + self.life_s, 0, "", begun=True)

    def pause(self, wait_s: float, why: str) -> None:
        """Grant nothing for ``wait_s``; never shortens a longer pause."""
        if self.now + wait_s > self.pause_until:
            self.pause_until, self.pause_why = self.now + wait_s, why

    def paused(self) -> Denied | None:
        """The pause that is on now."""
        left_s = self.pause_until - self.now
        return Denied(left_s, f"{PAUSED}: {self.pause_why}") if left_s > 0 else None

    def tick(self, now: float) -> None:
        """Bring everything to ``now``: leases and places that ended, the working limit, the second that is counted."""
        self.now = now
        latest = now + self.life_s
        for lease in [lease for lease, held in self.leases.items() if held.until <= now]:
            del self.leases[lease]
        for held in self.leases.values():
            # Written by a clock that ran ahead.
            held.until = min(held.until, latest)
        self.waiters = [waiter for waiter in self.waiters if now < waiter.until <= now + 3600]
        self._grow()
        if not self.second[0] <= now < self.second[0] + 1:
            self._next_second(now)

    def _grow(self) -> None:
        learn = self.terms.limit.learn
        if learn is None:
            self.rate = self.room = None
            return
        for working in filter(None, (self.rate, self.room)):
            working.rest(min(self.pause_until, self.now))
        if self.pause_until > self.now:
            return
        kept = learn.start_per_s is not None
        if self.rate and not self.rate.grow(self.now, self.terms.rate, RATE_DOUBLES_S, kept=kept):
            self.rate = None
        kept = learn.start_concurrency is not None
        if self.room and not self.room.grow(self.now, self.terms.room, ROOM_DOUBLES_S, kept=kept):
            self.room = None

    # What is in force.

    def rate_now(self) -> float:
        """Calls a second in force, 0 for none."""
        rate = self.working_rate()
        return 0.0 if math.isinf(rate) else rate * self.scale

    def room_now(self) -> int:
        """Calls at once in force, 0 for none."""
        level = min(self.terms.room or math.inf, self.room.level if self.room else math.inf)
        return 0 if math.isinf(level) else max(1, int(level * self.scale + 1e-9))

    def marks(self) -> Marks:
        """What windows and budgets have counted."""
        for day, budget, resets in zip(self._days(), self.terms.limit.budgets, self.terms.resets, strict=True):
            day.wait(budget.calls, resets, self.now, 0)
        used = [*self.meter.used(self.terms.limit.windows, self.now), *self.work.used(works_of(self.terms.limit), self.now)]
        return used, [(day.began, day.spent) for day in self.days]

    def remember(self, marks: Marks) -> None:
        """Take over what was counted elsewhere: a window's calls as if they were made now."""
        windows, works = self.terms.limit.windows, works_of(self.terms.limit)
        self.meter.used(windows, self.now)
        self.work.used(works, self.now)
        for parts, window, calls in zip([*self.meter.parts, *self.work.parts], [*windows, *works], marks[0], strict=False):
            parts.clear()
            parts[math.floor(self.now / (window.span_s / PARTS))] = calls
        self.days = [Day(began, spent) for began, spent in marks[1]]

    def worked(self, seconds: float) -> None:
        """The target has worked this long for answers that came just now."""
        if self.terms.limit.execution:
            self.work.spend(works_of(self.terms.limit), self.now, math.ceil(seconds * 1000), 0.0)

    def _work_wait(self, calls: int) -> float:
        """Seconds until the target's time has room for ``calls`` and for what is under way, if they take as long as the last."""
        works = works_of(self.terms.limit)
        if not works:
            return 0.0
        expected = math.ceil((len(self.leases) + calls) * self.pace.latency * 1000)
        return self.work.window_wait(works, self.now, max(1, min(expected, *(window.calls for window in works))))

    def working_rate(self) -> float:
        """Calls a second that are allowed and work, before any scale; infinite for none."""
        return min(self.terms.rate or math.inf, self.rate.level if self.rate else math.inf)

    def burst_now(self) -> float:
        """Tokens the bucket holds at most while nothing is granted ahead."""
        # No burst is known where no rate is: a tenth of a second's.
        burst = float(self.terms.burst) if self.terms.rate else max(float(self.terms.burst), self.rate_now() / 10)
        if self.rate is None:
            return burst
        # Below what is configured somebody else may spend the target's burst.
        return min(burst, 1 + self.rate.level * LEAVES_S)

    def most_tokens(self, calls: int = 0) -> float:
        """Tokens the bucket holds at most now. Calls granted and not yet sent are still to come at the target: it fills
        less high meanwhile, yet high enough for ``calls``. First calls count in full: what holds them up lets all of them go at
        once, while those behind them wait for an answer each.
        """
        burst, ahead = self.burst_now(), sum(lease.ahead for lease in self.leases.values())
        return max(1.0, float(calls), max(burst / 2, burst - ahead) - self._held_up())

    def _held_up(self) -> int:
        """Leases of whose calls none has left since they were granted."""
        return sum(not lease.begun for lease in self.leases.values())

    def _most_calls(self, ask: Ask) -> int:
        self.scale = ask.scale
        limit = self.terms.limit
        most = [ask.calls, *(window.calls for window in limit.windows), *(budget.calls for budget in limit.budgets)]
        if self.rate_now() > 0:
            most.append(max(1, int(self.burst_now())))
        if limit.points is not None:
            most.append(limit.points.capacity // limit.points.per_call)
        inner = limit.operations.get(ask.operation)
        if inner is not None:
            most += [window.calls for window in inner.windows]
            most += [own_burst(inner.rate_per_s, inner.burst)] if inner.rate_per_s else []
        return min(most)

    def _refusal(self, lease: str, operation: str, calls: int, *, extends: bool) -> Denied | None:
        short = self._short(lease, operation, calls, extends=extends)
        pause = self.paused()
        if pause is not None:
            return Denied(max(pause.wait_s, short.wait_s if short else 0.0), pause.reason)
        blown = self._blown(lease, operation)
        if blown is not None:
            return blown
        full = self._full(lease, operation)
        if full is not None:
            return Denied(max(full.wait_s, short.wait_s if short else 0.0), full.reason, full.operation)
        if short is not None and lease in self.leases:
            self.leases[lease].until = self.now + self.life_s
            self._queue(lease, calls, short.wait_s)
        return short

    def _short(self, lease: str, operation: str, calls: int, *, extends: bool) -> Denied | None:
        limit, rate = self.terms.limit, self.rate_now()
        self.meter.refill(self.now, rate, self.most_tokens(calls))
        needed = calls + self._ahead_of(lease if extends else "")
        waits = [(self.meter.rate_wait(needed, rate), RATE), (self.meter.window_wait(limit.windows, self.now, calls), WINDOW)]
        waits.append((self._work_wait(calls), EXECUTION))
        if waits[0][0] > 0 and self.rate is not None:
            self.rate.wanted = self.now
        for day, budget, resets in zip(self._days(), limit.budgets, self.terms.resets, strict=True):
            waits.append((day.wait(budget.calls, resets, self.now, calls), BUDGET))
        if limit.points is not None:
            self.purse_of(limit.points).refill(limit.points, self.now)
            waits.append((self.purse_of(limit.points).wait(limit.points, calls), POINTS))
        wait_s, reason = max(waits, key=lambda one: one[0])
        inner = limit.operations.get(operation)
        own_s, own = self._own_wait(inner, operation, calls) if inner is not None else (0.0, RATE)
        if wait_s > 0:
            return Denied(max(wait_s, own_s), reason)
        return Denied(own_s, own, operation) if own_s > 0 else None

    def _own_wait(self, inner: Limit, operation: str, calls: int) -> tuple[float, str]:
        meter = self.meter_of(operation, inner)
        rate = min(inner.rate_per_s or 0.0, meter.told or math.inf) * self.scale
        meter.refill(self.now, rate, float(own_burst(inner.rate_per_s, inner.burst)))
        by_rate, by_window = meter.rate_wait(calls, rate), meter.window_wait(inner.windows, self.now, calls)
        return (by_rate, RATE) if by_rate >= by_window else (by_window, WINDOW)

    def _full(self, lease: str, operation: str) -> Denied | None:
        if lease in self.leases:
            return None
        room = self.room_now()
        if room and len(self.leases) >= room:
            if self.room is not None:
                self.room.wanted = self.now
            return Denied(FULL_WAIT_S, FULL)
        inner = self.terms.limit.operations.get(operation)
        if inner is not None and inner.concurrency is not None:
            most = max(1, int(inner.concurrency * self.scale + 1e-9))
            if sum(held.operation == operation for held in self.leases.values()) >= most:
                return Denied(FULL_WAIT_S, FULL, operation)
        return None

    def _blown(self, lease: str, operation: str) -> Denied | None:
        for name, fuse in self.named_fuses(operation):
            wait_s = fuse.wait(self.now, lease, self.leases)
            if wait_s > 0:
                return Denied(wait_s, BREAKER, name)
        return None

    def _spend(self, operation: str, calls: int) -> None:
        limit = self.terms.limit
        self.meter.spend(limit.windows, self.now, calls, self.rate_now())
        if self.rate is not None:
            self.rate.given += calls
        for day in self.days:
            day.spent += calls
        if limit.points is not None:
            self.purse_of(limit.points).left -= calls * limit.points.per_call
        inner = limit.operations.get(operation)
        if inner is not None:
            self.meter_of(operation, inner).spend(inner.windows, self.now, calls, inner.rate_per_s or 0.0)
        self.second[1] += calls

    def _give_back(self, operation: str, calls: int) -> None:
        limit = self.terms.limit
        self.meter.give_back(limit.windows, calls, self.most_tokens())
        if self.rate is not None:
            self.rate.given -= calls
        for day in self.days:
            day.spent = max(0, day.spent - calls)
        if limit.points is not None:
            self.purse_of(limit.points).left += calls * limit.points.per_call
        inner = limit.operations.get(operation)
        if inner is not None:
            most = float(own_burst(inner.rate_per_s, inner.burst))
            self.meter_of(operation, inner).give_back(inner.windows, calls, most)

    def _ahead_of(self, lease: str) -> int:
        total = 0
        for waiter in self.waiters:
            if waiter.lease == lease:
                break
            total += waiter.calls
        return total

    def _queue(self, lease: str, calls: int, wait_s: float) -> None:
        until = self.now + wait_s + QUEUE_S
        for waiter in self.waiters:
            if waiter.lease == lease:
                waiter.calls, waiter.until = calls, until
                return
        self.waiters.append(Waiter(lease, calls, until))

    def _next_second(self, now: float) -> None:
        at, granted, answered, throttled = self.second
        if at > 0 and granted + answered > 0:
            self.samples.append(Sample(at, self.rate_now() or None, int(granted), int(answered), int(throttled)))
        self.second = [math.floor(now), 0.0, 0.0, 0.0]

    def _fuses(self, operation: str) -> list[Fuse]:
        return [fuse for _, fuse in self.named_fuses(operation)]

    def named_fuses(self, operation: str) -> list[tuple[str, Fuse]]:
        """The breakers a request of ``operation`` passes: the account's, named "", and its own."""
        if self.terms.limit.breaker is None:
            return []
        names = ("", operation) if operation else ("",)
        return [(name, self.fuses.setdefault(name, Fuse(self.now))) for name in names]

    def _days(self) -> Sequence[Day]:
        del self.days[len(self.terms.limit.budgets) :]
        while len(self.days) < len(self.terms.limit.budgets):
            self.days.append(Day())
        return self.days

    def purse_of(self, points: Points) -> Purse:
        """The account's points, full at first."""
        if self.purse is None:
            self.purse = Purse(float(points.capacity), self.now)
        return self.purse

    def meter_of(self, operation: str, inner: Limit) -> Meter:
        """The meter of an operation that has its own limit."""
        return self.meters.setdefault(operation, Meter(float(own_burst(inner.rate_per_s, inner.burst)), self.now))
