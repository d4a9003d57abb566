"""Reads Retry-After: seconds, fractions, a date; absurd values are clamped and both are told."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d{1,400}(\.\d{1,400})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """``wait_s`` is what to wait, ``said_s`` what the target said (infinite for a number beyond all reason)."""

    wait_s: float
    said_s: float

    @property
    def clamped(self) -> bool:
        """True when the target asked for more than we grant it."""
        return self.said_s > self.wait_s


def read_retry_after(value: str | None, *, now: datetime, max_s: float = 3600.0) -> RetryAfter | None:
    """Meaning of a Retry-After header (RFC 9110, 10.2.3; fractions as several ERPs send them), at most ``max_s``.

    ``now`` must be aware. A date that has passed is 0; an absent or unreadable value is None.

    >>> read_retry_after("2.5", now=datetime(2026, 1, 1, tzinfo=UTC))
    RetryAfter(wait_s=2.5, said_s=2.5)
    """
    text = (value or "").strip()
    said_s = float(text) if _SECONDS.fullmatch(text) else _until(text, now)
    return None if said_s is None else RetryAfter(min(said_s, max_s), said_s)


def _until(text: str, now: datetime) -> float | None:
    if len(text) > 60:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
