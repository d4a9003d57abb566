"""Opens and closes one breaker: on failures in a row or a bad ratio; half open, one probe at a time goes through. Pure."""

from collections.abc import Container
from dataclasses import dataclass

from adapters.throttle.base import Breaker

PROBE_WAIT_S = 0.25


@dataclass(slots=True)
class Fuse:
    """``opens``: when it may be probed (0: closed). ``probe``: the lease that probes, empty if none does."""

    began: float
    run: int = 0
    count: int = 0
    bad: int = 0
    opens: float = 0.0
    open_s: float = 0.0
    probe: str = ""

    def wait(self, now: float, lease: str, leases: Container[str]) -> float:
        """Seconds until ``lease`` may go through; 0: now, as the probe where the breaker is not closed."""
        if self.opens == 0 or lease == self.probe:
            return 0.0
        if now < self.opens:
            return self.opens - now
        return PROBE_WAIT_S if self.probe and self.probe in leases else 0.0

    def good(self, now: float, rules: Breaker, count: int) -> None:
        """``count`` requests worked: a probe's closes the breaker."""
        if self.opens == 0:
            self._count(now, rules, count)
            self.run = 0
        elif now >= self.opens and self.probe:
            self.began, self.run, self.count, self.bad, self.opens, self.open_s, self.probe = now, 0, 0, 0, 0.0, 0.0, ""

    def failed(self, now: float, rules: Breaker, *, by_ratio: bool) -> None:
        """One request failed."""
        if self.opens == 0:
            self._count(now, rules, 1)
            self.run += 1
            self.bad += 1
            too_many = by_ratio and self.count >= rules.least and self.bad >= rules.ratio * self.count
            if self.run >= rules.failures or too_many:
                self._open(now, rules.open_s)
        elif now >= self.opens and self.probe:
            self._open(now, min(rules.longest_open_s, self.open_s * 2))

    def _open(self, now: float, open_s: float) -> None:
        self.open_s, self.opens, self.probe = open_s, now + open_s, ""

    def _count(self, now: float, rules: Breaker, count: int) -> None:
        if now - self.began > rules.span_s:
            self.began, self.count, self.bad = now, 0, 0
        self.count += count
