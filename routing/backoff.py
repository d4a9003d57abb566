"""Decides when to try again: exponential with full jitter, walked in the broker's fixed rungs."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

SOON_S = 0.5
"""A rest shorter than this is not worth another rung."""


def retry_wait_s(attempts: int, first_s: float, longest_s: float, draw: Callable[[], float]) -> float:
    """Seconds until attempt ``attempts + 1``: uniform between 0 and ``first_s * 2^(attempts-1)``, capped.

    ``draw`` gives a number in [0, 1). Full jitter keeps a fleet that failed together from coming back together.
    """
    ceiling = min(longest_s, first_s * float(2 ** min(attempts - 1, 40)))
    return draw() * ceiling


def rung_for(wait_s: float, ladder_s: Sequence[int]) -> int | None:
    """The longest rung within ``wait_s``, the shortest if none is; None if the wait is over (or nearly)."""
    if wait_s < SOON_S:
        return None
    return max((tier for tier in ladder_s if tier <= wait_s + SOON_S), default=min(ladder_s))


def rest_s(due_at: datetime | None, now: datetime) -> float:
    """Seconds from now until ``due_at``, never negative."""
    return 0.0 if due_at is None else max(0.0, (due_at - now) / timedelta(seconds=1))
