"""Reckons from the ERP's log what its bucket would have let through, how much of it was used, and how much was refused."""

from collections.abc import Collection, Sequence
from itertools import pairwise

from bench.erp_log import REFUSED, Change, Request
from bench.limits import Bucket

Point = tuple[float, float, float, float]
"""One second of a curve: seconds since the start, calls a second allowed, let in, refused."""


def tokens_at(requests: Sequence[Request], changes: Sequence[Change], at_s: float) -> float:
    """Tokens in the ERP's bucket at ``at_s``, found by playing the log again: who was let in, and which limits held."""
    first, *later = changes
    bucket = Bucket(first.limits, first.at_s)
    events: list[tuple[float, Change | None]] = [(change.at_s, change) for change in later if change.at_s <= at_s]
    events += [(one.admitted_s, None) for one in requests if one.status != REFUSED and one.admitted_s < at_s]
    for moment_s, change in sorted(events, key=lambda event: event[0]):
        if change is None:
            bucket.take(moment_s)
        else:
            bucket.change(change.limits, moment_s)
    return bucket.tokens(at_s)


def allowed(requests: Sequence[Request], changes: Sequence[Change], start_s: float, end_s: float) -> float:
    """Calls that could have passed between two moments: the tokens there at the start, and all that were earned since.

    The rate counts as far as the calls at once can carry it. Raises ValueError where the ERP had no limit.
    """
    earned = 0.0
    for change, until_s in _pieces(changes, end_s):
        span_s = min(until_s, end_s) - max(change.at_s, start_s)
        if span_s > 0:
            earned += span_s * change.limits.capacity_per_s
    if earned == float("inf"):
        raise ValueError("the ERP had no limit in this time: there is no allowance to use")
    return tokens_at(requests, changes, start_s) + earned


def used(requests: Sequence[Request], changes: Sequence[Change], start_s: float, end_s: float) -> float:
    """Share of the allowance between two moments that was used: calls let in over calls that could have passed."""
    let_in = sum(one.status != REFUSED and start_s <= one.admitted_s < end_s for one in requests)
    return let_in / allowed(requests, changes, start_s, end_s)


def refused(requests: Sequence[Request], start_s: float, end_s: float) -> float:
    """Throttle answers over requests between two moments; 0 without a request."""
    statuses = [one.status for one in requests if start_s <= one.admitted_s < end_s]
    return statuses.count(REFUSED) / len(statuses) if statuses else 0.0


def standing(requests: Sequence[Request], backlog: Collection[str], spare: int) -> tuple[float, float | None]:
    """While a backlog stands: from its first order let in until only ``spare`` are left outside; None: it still stands.

    Raises ValueError when none was let in.
    """
    waiting = set(backlog)
    moments = sorted((one.admitted_s, one.key) for one in requests if one.status != REFUSED and one.key in waiting)
    if not moments:
        raise ValueError("no order of the backlog reached the ERP")
    for at_s, key in moments:
        waiting.discard(key)
        if len(waiting) <= spare:
            return moments[0][0], at_s
    return moments[0][0], None


def curve(requests: Sequence[Request], changes: Sequence[Change], start_s: float, end_s: float) -> tuple[Point, ...]:
    """The limit against what was let in and refused, second by second, for a plot."""
    seconds = int(end_s - start_s)
    let_in, turned_away = [0] * seconds, [0] * seconds
    for one in requests:
        second = int(one.admitted_s - start_s)
        if start_s <= one.admitted_s and second < seconds:
            (turned_away if one.status == REFUSED else let_in)[second] += 1
    points = []
    for second in range(seconds):
        middle_s = start_s + second + 0.5
        limits = next(change.limits for change in reversed(changes) if change.at_s <= middle_s)
        points.append((float(second), limits.capacity_per_s, float(let_in[second]), float(turned_away[second])))
    return tuple(points)


def turned_s(classes: Sequence[tuple[float, str]], changed_s: float, cls: str, share: float, run: int = 25) -> float | None:
    """Seconds from ``changed_s`` until the mix has turned: the first ``run`` orders in a row of which ``share`` are ``cls``.

    ``classes`` are the moments and classes of the orders let in. The first order of that run is the moment; 0 when the run
    began before the change was reported done. None when the mix never turned.
    """
    later = sorted(one for one in classes if one[0] >= changed_s)
    for begin in range(len(later) - run + 1):
        if sum(one[1] == cls for one in later[begin : begin + run]) >= share * run:
            return later[begin][0] - changed_s
    return None


def longest_gap_s(moments: Sequence[float], start_s: float, end_s: float) -> float:
    """Longest time between two moments in a row, the ends of the time looked at counted as moments."""
    inside = [start_s, *sorted(one for one in moments if start_s <= one <= end_s), end_s]
    return max(b - a for a, b in pairwise(inside))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not pass (nearest rank), 0 without values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else 0.0


def _pieces(changes: Sequence[Change], end_s: float) -> list[tuple[Change, float]]:
    ends = [change.at_s for change in changes[1:]] + [end_s]
    return list(zip(changes, ends, strict=True))
