"""Shows a lane's limiter to people: its limit and working limit, what is in use, what closes it, what it saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.throttle.base import Limit

KEPT_S = 3600
"""Samples are kept this long, one a second."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One second: it began at ``at`` (epoch seconds); ``working_per_s`` None means no rate was in force. ``granted`` counts
    calls, ``answered`` every answer, ``throttled`` the refusals among them.
    """

    at: float
    working_per_s: float | None
    granted: int
    answered: int
    throttled: int


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One account now. ``breaker`` and ``breakers`` (by operation) are ``closed``, ``open`` or ``probing``.

    ``windows_left`` and ``budgets_left`` are in the limit's order. ``answered_10s`` and the like count whole seconds.
    """

    limit: Limit
    working_per_s: float | None
    working_concurrency: int | None
    permits: int
    tokens: float | None
    paused_s: float = 0.0
    paused_why: str = ""
    breaker: str = "closed"
    breakers: Mapping[str, str] = field(default_factory=dict)
    windows_left: tuple[int, ...] = ()
    execution_left_s: tuple[float, ...] = ()
    budgets_left: tuple[int, ...] = ()
    points_left: float | None = None
    latency_s: float | None = None
    answered_10s: int = 0
    throttled_10s: int = 0
    answered_60s: int = 0
    throttled_60s: int = 0


def counted(samples: Sequence[Sample], now: float, span_s: float) -> tuple[int, int]:
    """Answers and refusals of the last ``span_s`` seconds."""
    lately = [sample for sample in samples if sample.at > now - span_s - 1]
    return sum(sample.answered for sample in lately), sum(sample.throttled for sample in lately)
