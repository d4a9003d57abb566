"""What the throttle tests say often."""

from collections.abc import Callable

from adapters.throttle.base import Ask, Denied, Granted, Limit, Report
from adapters.throttle.local import LocalThrottle
from adapters.throttle.redis import RedisThrottle
from tests.adapters.throttle.clock import Clock

AnyThrottle = LocalThrottle | RedisThrottle
Make = Callable[[Limit, Clock], AnyThrottle]


def granted(answer: Granted | Denied) -> Granted:
    assert isinstance(answer, Granted), answer
    return answer


def denied(answer: Granted | Denied) -> Denied:
    assert isinstance(answer, Denied), answer
    return answer


def ok(latency_s: float = 0.05, operation: str = "") -> Report:
    return Report(operation, latency_s, "ok")


def failed(operation: str = "") -> Report:
    return Report(operation, 0.05, "failed")


def throttled(retry_after_s: float | None = None) -> Report:
    return Report("", 0.01, "throttled", retry_after_s)


def take_all(throttle: AnyThrottle, ask: Ask, most: int = 10_000) -> int:
    """Takes and releases until refused; how often it was granted."""
    for count in range(most):
        answer = throttle.acquire(ask)
        if isinstance(answer, Denied):
            return count
        throttle.release(answer)
    return most
