"""Takes in what the answers of an account say: refusals, failures, latency, the target's own figures. Pure."""

import math
from dataclasses import replace

from adapters.throttle.account import Account
from adapters.throttle.base import RETRY_AFTER_MOST_S, Hints, Learn, Limit, Report
from adapters.throttle.learning import BACK, RATE_BACK, TOKENS_PAUSE, Pulse, Working, throttle_pause_s

REFUSED = "the target refused"
FIRST_PER_S = 5.0
"""Where a rate is learned from nothing: the level the first refusal is taken for, if less has worked so far."""
WORKED_LEAST = 0.9
"""Of a rate refused for the first time this part is taken to have worked: answers of the last second may be few."""
UNKNOWN_PER_S = 40.0
"""Taken for the rate where none is known and nothing has worked yet: sets the first pause only."""
COOLDOWN_S = 0.25


def judged(seen: Report, limit: Limit) -> Report:
    """The report as the breaker sees it: an answer that took too long is a failure."""
    slow_s = limit.breaker.slow_s if limit.breaker is not None else None
    if seen.verdict == "ok" and slow_s is not None and seen.latency_s > slow_s:
        return replace(seen, verdict="failed")
    return seen


def take_in(account: Account, seen: Report, count: int = 1) -> None:
    """Take in ``count`` answers of one kind; for more than one, ``latency_s`` is their sum."""
    account.second[2] += count
    if seen.hints is not None:
        _correct(account, seen.hints, seen.operation)
    if seen.verdict == "throttled":
        account.second[3] += count
        _refused(account, seen.retry_after_s)
        return
    account.worked(seen.latency_s)
    _fuses(account, seen, count)
    if seen.verdict == "ok":
        account.streak = 0
        account.pace.add(account.now, count, seen.latency_s)
        _felt(account, seen.operation, count, seen.latency_s)


def _fuses(account: Account, seen: Report, count: int) -> None:
    rules = account.terms.limit.breaker
    if rules is None:
        return
    for name, fuse in account.named_fuses(seen.operation):
        if seen.verdict == "ok":
            fuse.good(account.now, rules, count)
        else:
            fuse.failed(account.now, rules, by_ratio=name != "")


def _refused(account: Account, retry_after_s: float | None) -> None:
    learn = account.terms.limit.learn
    if retry_after_s is not None:
        account.pause(min(retry_after_s, RETRY_AFTER_MOST_S), REFUSED)
    cooldown_s = COOLDOWN_S if learn is None else learn.cooldown_s
    if 0 <= account.now - account.lowered < cooldown_s:
        return
    account.lowered = account.now
    pace = account.pace.now(account.now)
    if learn is not None:
        # Where there is a rate, fewer calls a second are fewer at once as well, and that is measured.
        by_room = account.room_now() and math.isinf(account.working_rate())
        (_lower_room if by_room else _lower_rate)(account, learn, pace)
    if retry_after_s is None:
        rate = account.working_rate()
        level = max(pace, UNKNOWN_PER_S) if math.isinf(rate) else rate
        account.pause(throttle_pause_s(level, account.streak), REFUSED)
    _dry(account)
    account.streak += 1


def _lower_room(account: Account, learn: Learn, pace: float) -> None:
    """Only where the calls at once were near their limit: else that was not what the target refused."""
    room = account.room_now()
    if len(account.leases) < 0.75 * room:
        return
    account.room = account.room or Working(float(room), float(room), account.now)
    least = room - 1.0 if account.room.peak else 1.0
    base = min(float(room), max(least, pace * account.pace.latency, room / 2))
    account.room.lower(account.now, base, BACK, float(learn.floor_concurrency), 1.0)


def _lower_rate(account: Account, learn: Learn, pace: float) -> None:
    """To what was let in since the last refusal; where that says nothing, to a part of what has worked."""
    rate, floor = account.working_rate(), min(learn.floor_per_s, account.terms.rate or math.inf)
    known = account.rate
    if known is not None and known.peak:
        # Far more than the peak gave was let in: it was of another time, and the mean since then is too low.
        moved = known.over(account.now) > max(account.terms.burst, known.peak / 2)
        known.measure(account.now, floor, pace if moved else 0.0)
        return
    base = max(pace, FIRST_PER_S) if math.isinf(rate) else min(rate, max(pace, rate * WORKED_LEAST))
    account.rate = known or Working(base, base, account.now)
    account.rate.lower(account.now, base, RATE_BACK, floor, 0.0)


def _dry(account: Account) -> None:
    # The bucket begins empty when the pause ends: what the target gains meanwhile is its slack, not ours to burst.
    rate = account.rate_now()
    if rate > 0:
        account.meter.refill(account.now, rate, account.most_tokens())
        pause_s = max(0.0, account.pause_until - account.now)
        account.meter.tokens = min(account.meter.tokens, -min(1.0, pause_s) * rate)
        if account.rate is not None:
            account.rate.given = -min(pause_s * rate, TOKENS_PAUSE, account.terms.burst)


def _felt(account: Account, operation: str, count: int, total_s: float) -> None:
    learn = account.terms.limit.learn
    if learn is None or learn.slow_ratio is None:
        return
    pulse = account.pulses.setdefault(operation, Pulse(account.now))
    back = pulse.add(account.now, count, total_s, learn.slow_ratio)
    if back < 1:
        account.lowered = account.now
        _slowed(account, learn, back)


def _slowed(account: Account, learn: Learn, back: float) -> None:
    room, rate = account.room_now(), account.working_rate()
    if room:
        base = float(min(room, max(len(account.leases), (room + 1) // 2)))
        account.room = account.room or Working(float(room), float(room), account.now)
        account.room.lower(account.now, base, back, float(learn.floor_concurrency), 1.0)
    elif not math.isinf(rate):
        base = min(rate, max(account.pace.now(account.now), rate / 2))
        account.rate = account.rate or Working(base, base, account.now)
        account.rate.lower(account.now, base, back, learn.floor_per_s, 0.0)


def _correct(account: Account, hints: Hints, operation: str) -> None:
    """Let the target's own figures lower ours; its points are the truth, as far as calls under way are not counted yet."""
    if hints.remaining is not None and hints.reset_s is None and account.terms.rate > 0:
        account.meter.refill(account.now, account.rate_now(), account.most_tokens())
        account.meter.tokens = min(account.meter.tokens, max(0.0, hints.remaining))
    if hints.remaining is not None and hints.reset_s is not None and hints.remaining < 1:
        account.pause(min(hints.reset_s, RETRY_AFTER_MOST_S), "the target's quota is used up")
    windows = account.terms.limit.windows
    if hints.remaining is not None and hints.reset_s is not None and windows:
        account.meter.correct(windows, account.now, hints.remaining)
    inner = account.terms.limit.operations.get(operation)
    if hints.rate_per_s is not None and inner is not None:
        account.meter_of(operation, inner).told = max(0.0, hints.rate_per_s)
    elif hints.rate_per_s is not None and 0 < hints.rate_per_s < account.working_rate():
        account.rate = Working(
            hints.rate_per_s, hints.rate_per_s, account.now, hints.rate_per_s, account.now, lowered=account.now
        )
    points = account.terms.limit.points
    if hints.points_left is not None and points is not None:
        purse = account.purse_of(points)
        purse.refill(points, account.now)
        left = min(hints.points_left, float(points.capacity))
        purse.left = min(left, max(purse.left, left - len(account.leases) * points.per_call))
