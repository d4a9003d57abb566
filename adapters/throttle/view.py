"""Reads an account's state into what people see."""

from adapters.throttle.account import Account
from adapters.throttle.breaking import Fuse
from adapters.throttle.status import LaneStatus, counted


def status_of(account: Account) -> LaneStatus:
    """The account as it is now."""
    limit, pause = account.terms.limit, account.paused()
    used, days = account.marks()
    answered, throttled = {}, {}
    for span in (10, 60):
        answered[span], throttled[span] = counted(list(account.samples), account.now, span)
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
        windows_left=tuple(window.calls - count for window, count in zip(limit.windows, used, strict=True)),
        budgets_left=tuple(budget.calls - spent for budget, (_, spent) in zip(limit.budgets, days, strict=False)),
        points_left=account.purse.left if account.purse else None,
        answered_10s=answered[10],
        throttled_10s=throttled[10],
        answered_60s=answered[60],
        throttled_60s=throttled[60],
    )


def state_of(fuse: Fuse, now: float) -> str:
    """``closed``, ``open`` or ``probing``."""
    if fuse.opens == 0:
        return "closed"
    return "open" if now < fuse.opens else "probing"
