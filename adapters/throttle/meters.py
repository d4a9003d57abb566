"""Counts requests against one set of bounds: a token bucket and sliding windows, budgets of a day, cost points. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.throttle.base import Points, Window

EPSILON = 1e-6
"""A wait that ends on the microsecond must not fail for a rounding in the fifteenth digit."""

PARTS = 100
"""A window is counted in this many parts; a part leaves as a whole, so a window grants up to 1 % less, never more."""


@dataclass(slots=True)
class Meter:
    """Tokens as of ``at``; ``parts[i]`` maps the number of a part of window ``i`` to the calls granted in it."""

    tokens: float
    at: float
    parts: list[dict[int, int]] = field(default_factory=list)
    told: float = 0.0
    """The rate the target says it grants; 0: it said nothing."""

    def refill(self, now: float, rate: float, most: float) -> None:
        """Add what ``rate`` gave since (0: no rate), up to ``most``."""
        if rate > 0:
            self.tokens = min(most, self.tokens + max(0.0, now - self.at) * rate)
        self.at = now

    def rate_wait(self, calls: float, rate: float) -> float:
        """Seconds until ``calls`` tokens are there."""
        missing = calls - self.tokens
        return missing / rate if rate > 0 and missing > EPSILON else 0.0

    def window_wait(self, windows: Sequence[Window], now: float, calls: int) -> float:
        """Seconds until every window has room for ``calls``."""
        self._fit(windows)
        return max((_wait(parts, w, now, calls) for parts, w in zip(self.parts, windows, strict=True)), default=0.0)

    def spend(self, windows: Sequence[Window], now: float, calls: int, rate: float) -> None:
        """Count ``calls`` as granted now."""
        if rate > 0:
            self.tokens -= calls
        self._fit(windows)
        for parts, window in zip(self.parts, windows, strict=True):
            number = math.floor(now / (window.span_s / PARTS))
            parts[number] = parts.get(number, 0) + calls

    def give_back(self, windows: Sequence[Window], calls: int, most: float) -> None:
        """Calls that were never sent. They leave the oldest parts: what stays counted stays counted long enough."""
        self.tokens = min(most, self.tokens + calls)
        self._fit(windows)
        for parts in self.parts:
            left = calls
            for number in sorted(parts):
                took = min(left, parts[number])
                parts[number] -= took
                left -= took

    def correct(self, windows: Sequence[Window], now: float, left: float) -> None:
        """The target says that ``left`` calls remain of the first window: others spent the rest, as if just now."""
        over = math.floor(windows[0].calls - self.used(windows, now)[0] - left)
        if over > 0:
            number = math.floor(now / (windows[0].span_s / PARTS))
            self.parts[0][number] = self.parts[0].get(number, 0) + over

    def used(self, windows: Sequence[Window], now: float) -> list[int]:
        """Calls counted in each window now."""
        self._fit(windows)
        for parts, window in zip(self.parts, windows, strict=True):
            _drop(parts, window, now)
        return [sum(parts.values()) for parts in self.parts]

    def _fit(self, windows: Sequence[Window]) -> None:
        del self.parts[len(windows) :]
        while len(self.parts) < len(windows):
            self.parts.append({})


def _ends(number: int, window: Window) -> float:
    # A request may reach the target some time after its grant: counted that much longer.
    late_s = min(0.1, window.span_s / 50)
    return (number + 1) * (window.span_s / PARTS) + window.span_s + late_s


def _drop(parts: dict[int, int], window: Window, now: float) -> None:
    for number in [number for number, count in parts.items() if count <= 0 or _ends(number, window) <= now]:
        del parts[number]


def _wait(parts: dict[int, int], window: Window, now: float, calls: int) -> float:
    _drop(parts, window, now)
    over = sum(parts.values()) + calls - window.calls
    if over <= 0:
        return 0.0
    for number in sorted(parts):
        over -= parts[number]
        if over <= 0:
            return _ends(number, window) - now
    return window.span_s


@dataclass(slots=True)
class Day:
    """What was spent of a budget in the day that began at ``began``."""

    began: float = 0.0
    spent: int = 0

    def wait(self, most: int, resets: Sequence[float], now: float, calls: int) -> float:
        """Seconds until the budget has room for ``calls``: 0, or until its next reset."""
        began = max((moment for moment in resets if moment <= now), default=resets[0])
        if began != self.began:
            self.began, self.spent = began, 0
        if self.spent + calls <= most:
            return 0.0
        return min((moment for moment in resets if moment > now), default=now + 1.0) - now


@dataclass(slots=True)
class Purse:
    """Cost points left as of ``at``."""

    left: float
    at: float

    def refill(self, points: Points, now: float) -> None:
        """Add what was restored since."""
        self.left = min(float(points.capacity), self.left + max(0.0, now - self.at) * points.restore_per_s)
        self.at = now

    def wait(self, points: Points, calls: int) -> float:
        """Seconds until ``calls`` can be paid."""
        missing = calls * points.per_call - self.left
        return missing / points.restore_per_s if missing > EPSILON else 0.0
