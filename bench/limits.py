"""Says what an ERP allows, and counts its token bucket: the stub and the reading of its log share this one bucket."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What the ERP allows: seconds one call takes, calls per second with a burst, calls at once. None: no such limit."""

    service_s: float = 0.020
    rate_per_s: float | None = None
    burst: int = 10
    at_once: int | None = None

    @property
    def capacity_per_s(self) -> float:
        """Calls a second that can pass for long: the rate, or less when the calls at once cannot carry it."""
        rate = float("inf") if self.rate_per_s is None else self.rate_per_s
        carried = float("inf") if self.at_once is None or not self.service_s else self.at_once / self.service_s
        return min(rate, carried)


class Bucket:
    """A token bucket by its limits: full at first, filled by time, settled at the old rate when the limits change."""

    def __init__(self, limits: Limits, now_s: float) -> None:
        self.limits = limits
        self._tokens = float(limits.burst)
        self._filled_s = now_s

    def tokens(self, now_s: float) -> float:
        """Tokens in it now."""
        self._fill(now_s)
        return self._tokens

    def take(self, now_s: float) -> bool:
        """Take one token; False when there is none. Always True without a rate."""
        if self.limits.rate_per_s is None:
            return True
        self._fill(now_s)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def change(self, limits: Limits, now_s: float) -> None:
        """Go by other limits from now on; what is in the bucket stays as far as the new burst holds it."""
        was_limited = self.limits.rate_per_s is not None
        self._fill(now_s)
        self.limits = limits
        self._tokens = min(self._tokens, float(limits.burst)) if was_limited else float(limits.burst)

    def _fill(self, now_s: float) -> None:
        earned = max(0.0, now_s - self._filled_s) * (self.limits.rate_per_s or 0.0)
        self._tokens = min(float(self.limits.burst), self._tokens + earned)
        self._filled_s = max(now_s, self._filled_s)
