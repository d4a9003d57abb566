"""Decides what a replay does next: how many rows go out now, or that it waits, climbs, halts or is done. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

RAMP = (1, 10, 100, 1_000)
"""Rows of each rung; the last one repeats."""
MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Pace:
    """How a replay goes: rows a rung, rows a second, the share of a rung that may fail, how long a rung is waited for."""

    ramp: Sequence[int]
    rate_per_s: float
    stop_above: float
    patience_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a replay stands: rows not yet sent, and those of the present rung."""

    rung: int
    waiting: int
    out: int
    done: int
    failed: int
    oldest_out_at: datetime | None
    last_out_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """What to do. ``send``: how many rows go out now; ``why`` tells a halt or what a replay ended with."""

    do: Literal["send", "wait", "climb", "halt", "end"]
    send: int = 0
    why: str = ""


def next_step(pace: Pace, standing: Standing, now: datetime) -> Step:
    """The next step of a replay. A row that is not through after the patience counts as failed, once the rung is judged."""
    size = pace.ramp[min(standing.rung, len(pace.ramp) - 1)]
    sent = standing.out + standing.done + standing.failed
    if standing.failed > pace.stop_above * max(min(size, sent + standing.waiting), 1):
        return _halt(standing.failed, sent, pace)
    if standing.waiting and sent < size:
        due = _due(pace, standing.last_out_at, now)
        return Step("send", min(size - sent, standing.waiting, due, MOST_AT_ONCE)) if due else Step("wait")
    if standing.out and standing.oldest_out_at and now - standing.oldest_out_at < timedelta(seconds=pace.patience_s):
        return Step("wait")
    if standing.failed + standing.out > pace.stop_above * max(sent, 1):
        return _halt(standing.failed + standing.out, sent, pace)
    if standing.waiting:
        return Step("climb")
    return Step("end", why=f"{standing.out} not through yet" if standing.out else "")


def _halt(failed: int, sent: int, pace: Pace) -> Step:
    return Step("halt", why=f"{failed} of the {sent} sent in this rung failed, more than {pace.stop_above:.0%}")


def _due(pace: Pace, last_out_at: datetime | None, now: datetime) -> int:
    """How many rows the rate gives by now: what was not used is lent for two seconds, not longer."""
    if last_out_at is None:
        return 1
    passed_s = (now - last_out_at) / timedelta(seconds=1)
    return int(min(pace.rate_per_s * passed_s, max(1.0, 2 * pace.rate_per_s)))
