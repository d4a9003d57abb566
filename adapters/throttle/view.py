"""Reads an account's state into what people see."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.throttle.account import Account, Marks
from adapters.throttle.base import Limit
from adapters.throttle.breaking import Fuse
from adapters.throttle.status import LaneStatus, Sample, counted


def status_of(account: Account) -> LaneStatus:
    """The account as it is now."""
    limit, pause = account.terms.limit, account.paused()
    used, days = account.marks()
    answered, throttled = {}, {}
    for span in (10, 60):
        answered[span], throttled[span] = counted([*account.samples, _under_way(account)], account.now, span)
    fuses = {name: state_of(fuse, account.now) for name, fuse in account.fuses.items()}
    return LaneStatus(
        limit=limit,
        working_per_s=account.rate_now() or None,
        working_concurrency=account.room_now() or None,
        permits=len(account.leases),
        tokens=account.meter.tokens if account.rate_now() else None,
        paused_s=pause.wait_s if pause else 0.0,
        paused_why=account.pause_why if pause else "",
        breaker=fuses.pop("", "closed"),
        breakers=fuses,
        windows_left=tuple(window.calls - count for window, count in zip(limit.windows, used, strict=False)),
        execution_left_s=_execution_left(limit, used),
        budgets_left=tuple(budget.calls - spent for budget, (_, spent) in zip(limit.budgets, days, strict=False)),
        points_left=account.purse.left if account.purse else None,
        latency_s=account.pace.latency or None,
        answered_10s=answered[10],
        throttled_10s=throttled[10],
        answered_60s=answered[60],
        throttled_60s=throttled[60],
    )


def _execution_left(limit: Limit, used: Sequence[int]) -> tuple[float, ...]:
    worked_ms = used[len(limit.windows) :]
    return tuple(one.busy_s - ms / 1000 for one, ms in zip(limit.execution, worked_ms, strict=False))


def _under_way(account: Account) -> Sample:
    at, granted, answered, throttled = account.second
    return Sample(at, account.rate_now() or None, int(granted), int(answered), int(throttled))


def state_of(fuse: Fuse, now: float) -> str:
    """``closed``, ``open`` or ``probing``."""
    if fuse.opens == 0:
        return "closed"
    return "open" if now < fuse.opens else "probing"


def sample_of(text: str | bytes) -> Sample:
    """A sample as the script keeps it."""
    at, rate, granted, answered, throttled = json.loads(text)
    return Sample(at, rate or None, int(granted), int(answered), int(throttled))


def samples_from(told: Mapping[str, Any]) -> list[Sample]:
    """The seconds with traffic that are over, oldest first; the last one may not have been put away yet."""
    at, granted, answered, throttled = told["second"]
    over = granted + answered > 0 and at + 1 <= told["now"]
    last = [Sample(at, told["rate"] or None, granted, answered, throttled)] if over else []
    return [*map(sample_of, told["samples"]), *last]


def status_from(limit: Limit, told: Mapping[str, Any], marks: Marks) -> LaneStatus:
    """The account as the script tells of it."""
    at, granted, answered, throttled = told["second"]
    under_way = Sample(at, told["rate"] or None, granted, answered, throttled)
    samples = [*(sample_of(text) for text in told["samples"]), under_way]
    recent, minute = counted(samples, told["now"], 10), counted(samples, told["now"], 60)
    breakers = dict(told["breakers"])
    return LaneStatus(
        limit=limit,
        working_per_s=told["rate"] or None,
        working_concurrency=told["room"] or None,
        permits=told["held"],
        tokens=told["tokens"] if told["rate"] else None,
        paused_s=told["pause"],
        paused_why=told["why"] if told["pause"] else "",
        breaker=breakers.pop("", "closed"),
        breakers=breakers,
        windows_left=tuple(window.calls - used for window, used in zip(limit.windows, marks[0], strict=False)),
        execution_left_s=_execution_left(limit, marks[0]),
        budgets_left=tuple(budget.calls - spent for budget, (_, spent) in zip(limit.budgets, marks[1], strict=False)),
        points_left=told.get("points"),
        latency_s=told["latency"] or None,
        answered_10s=recent[0],
        throttled_10s=recent[1],
        answered_60s=minute[0],
        throttled_60s=minute[1],
    )
