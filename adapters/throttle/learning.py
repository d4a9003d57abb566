"""Learns how much of a limit works: lowers on refusals and rising latency, probes its way back. Pure.

A working limit remembers the level at which it was refused (``peak``) and how far it went down (``low``). Calls at once grow
back along a cubic: fast at first, flat around the peak, ever flatter where it is refused again and again; once well beyond it,
freely. A rate is measured instead: a target's bucket is empty whenever it refuses, so what it let in from one refusal to the
next is what it earns. That is held, then tried: doubled every half second until it is refused or the limit is reached.
"""

import math
from dataclasses import dataclass

from adapters.throttle.terms import LEAVES_S

BACK, RATE_BACK = 0.7, 0.5
"""What is left of a level that was refused: of calls at once, and of a rate of which nothing is known yet. Half a rate is seldom
refused again before it was measured.
"""
BACK_SURE = 0.93
"""The same for calls at once where the level was about right before: the peak is known, the way back is short."""
EARLY = 0.97
"""At most this of a measured rate is left when it is refused before it was tried to go beyond."""
UNSURE, SHORT_UNSURE, SHORT_S = 1.0, 3.0, 0.5
"""Calls: a target that refuses has less than one token, at both ends of what is measured. In a short time what was under way
weighs more, and little is taken for more than a part of what is lost.
"""
SHORT_BACK = 0.8
STEEP = 0.04
"""Growth around the peak: a part of it for each cubed second."""
HOLD_CALLS, HOLD_LEAST_S, HOLD_MOST_S = 70.0, 2.0, 4.0
"""A measured rate is held for so many calls before it is tried: a trial that finds nothing new costs a refusal."""
SURE_FROM, SURE_MOST = 6, 9
"""A peak confirmed more often than ``SURE_FROM`` times is approached half as steeply for each further time, and held twice
as long.
"""
NEAR = 0.25
QUICK_S = 1.0
"""Refused again within this time, the level was still too high: that says nothing of the peak."""
BEYOND = 1.1
"""Not refused at this part of the peak, it grows freely."""
TRIED = 1.11
"""Where a try begins: beyond that part however the two are rounded, for numbers kept as JSON lose their last digits."""
RATE_DOUBLES_S, ROOM_DOUBLES_S = 1.0, 5.0
"""Calls at once grow slower: what they do to the latency shows a second or two later."""
WANTED_S = 1.0
TOKENS_PAUSE = 2.5
PAUSE_MOST_S = 30.0
FORGET_S = 600.0

LATENCY_S = 1.0
LATENCY_LEAST = 5
LATENCY_SLACK_S = 0.02
BEST_FADES = 1.002
SLOWEST_CUT = 0.5


@dataclass(slots=True)
class Working:
    """A limit as it works now. ``peak`` 0: never refused yet. ``wanted``: when more was last asked for than it gives. ``given``:
    calls granted since ``since``, less what the target earned in the pause before. ``measured``: the peak is what it lets in.
    """

    level: float
    low: float
    at: float
    peak: float = 0.0
    since: float = 0.0
    sure: int = 0
    lowered: float = 0.0
    given: float = 0.0
    wanted: float = -FORGET_S
    measured: bool = False

    def grow(self, now: float, top: float, doubles_s: float, *, kept: bool) -> bool:
        """Follow the curve to ``now``, at most to ``top`` (0: none; then it stands still while nobody asks for more).

        False when there is nothing left to work back, or a level that is not ``kept`` was refused too long ago.
        """
        passed, self.at = max(0.0, now - self.at), now
        if not kept and top == 0 and now - self.lowered > FORGET_S:
            return False
        if now - self.wanted > WANTED_S and top == 0:
            self.since += passed
            return True
        if self.level >= BEYOND * self.peak:
            self.level *= 2.0 ** (min(passed, 0.5) / doubles_s)
        else:
            self.level = max(self.level, self._curve(now - self.since))
        return top == 0 or self.level < top

    def rest(self, until: float) -> None:
        """While nothing is sent nothing can be refused: the time to ``until`` does not count."""
        self.since += max(0.0, until - self.at)
        self.at = max(self.at, until)

    def lower(self, now: float, base: float, back: float, floor: float, step: float) -> None:
        """Go down from ``base``, the level that was refused, to ``back`` of it; where the peak is confirmed less far, by
        ``step`` at least.
        """
        quick = now - self.lowered < QUICK_S
        confirmed = self.peak > 0 and not quick and abs(base - self.peak) < NEAR * self.peak
        if not quick:
            self.sure = min(self.sure + 1, SURE_MOST) if confirmed else 0
        low = max(base * back, min(base * BACK_SURE, base - step)) if confirmed else base * back
        self._begin(now, base, max(floor, low), measured=False)

    def over(self, now: float) -> float:
        """Calls let in since the last refusal, the one refused now left out, beyond what the peak gives in that time."""
        return self.given - 1.0 - self.peak * (now - self.since)

    def measure(self, now: float, floor: float, worked: float) -> None:
        """Take what was let in from the last refusal to this one for the rate: as near to the peak as it can have been, and
        no less than ``worked``.
        """
        early, passed = self.level < BEYOND * self.peak, max(1e-3, now - self.since)
        unsure, back = (SHORT_UNSURE, SHORT_BACK) if passed < SHORT_S else (UNSURE, 0.5)
        least, most = (self.given - 1.0 - unsure) / passed, (self.given - 1.0 + unsure) / passed
        rate = min(self.level, most, max(least, self.peak * (EARLY if early else 1.0)))
        rate = max(floor, self.low * back, min(self.level, worked), rate)
        confirmed = abs(rate - self.peak) < NEAR * self.peak
        if not (early and confirmed):
            self.sure = min(self.sure + 1, SURE_MOST) if confirmed else 0
        self._begin(now, rate, rate, measured=True)

    def _begin(self, now: float, peak: float, level: float, *, measured: bool) -> None:
        self.peak, self.measured, self.given = peak, measured, 0.0
        self.low = self.level = level
        self.since = self.at = self.lowered = now

    def _curve(self, passed: float) -> float:
        longer = 2.0 ** max(0, self.sure - SURE_FROM)
        if self.measured:
            hold_s = min(HOLD_MOST_S, max(HOLD_LEAST_S, HOLD_CALLS / self.peak)) * math.sqrt(longer)
            return self.peak if passed < hold_s else TRIED * self.peak
        steep = STEEP / longer
        plateau_s = math.cbrt(max(0.0, self.peak - self.low) / (self.peak * steep))
        return self.peak * (1 + steep * (passed - plateau_s) ** 3)


@dataclass(slots=True)
class Pulse:
    """Latency of one operation: the mean of the last interval against the best of the recent ones."""

    began: float
    count: int = 0
    total: float = 0.0
    best: float = 0.0
    slow: int = 0

    def add(self, now: float, count: int, total_s: float, ratio: float) -> float:
        """Take ``count`` answers in; returns what part of the level to keep: 1 unless the end of a
        second slow interval in a row shows overload.
        """
        self.count += count
        self.total += total_s
        if now - self.began < LATENCY_S or self.count < LATENCY_LEAST:
            return 1.0
        mean = self.total / self.count
        self.began, self.count, self.total = now, 0, 0.0
        self.best = mean if self.best == 0 else min(mean, self.best * BEST_FADES)
        most = self.best * ratio + LATENCY_SLACK_S
        self.slow = self.slow + 1 if ratio > 0 and mean > most else 0
        # One slow interval may be a stall of ours.
        return max(SLOWEST_CUT, min(0.95, most / mean)) if self.slow > 1 else 1.0


@dataclass(slots=True)
class Pace:
    """Requests that worked a second, averaged over about a second, and how long they took."""

    began: float
    at: float
    rate: float = 0.0
    latency: float = 0.0

    def add(self, now: float, count: int, total_s: float) -> None:
        """``count`` answers came, after ``total_s`` together."""
        self.rate = self.rate * math.exp(-max(0.0, now - self.at)) + count
        mean = total_s / count
        self.latency = mean if self.latency == 0 else self.latency + (mean - self.latency) * min(1.0, count / 10)
        self.at = now

    def now(self, now: float) -> float:
        """Requests that work a second now."""
        seen = 1 - math.exp(-max(0.05, now - self.began))
        return self.rate * math.exp(-max(0.0, now - self.at)) / seen


def throttle_pause_s(level: float, streak: int) -> float:
    """How long to send nothing after a refusal that names no time: until what was granted has left, and a few tokens' time;
    doubled for each repeat.
    """
    return float(min(PAUSE_MOST_S, (LEAVES_S + TOKENS_PAUSE / level) * 2.0 ** min(streak, 20)))
