"""Makes a limit of what fleet.toml says of a target."""

from adapters.throttle.base import Breaker, Budget, Execution, Learn, Limit, Points, Window
from config.limits import BreakerTable, LearnTable, LimitTable, WindowTable

SLOW_PART = 0.9
"""An answer that took this part of the longest wait and more is as good as none."""


def limit_of(table: LimitTable, answer_timeout_s: float | None = None) -> Limit:
    """The limit a table stands for. Answers slower than ``slow_s``, or nearly ``answer_timeout_s``, count as failed.

    Raises ValueError for what the table's own checks cannot see (a time zone, a breaker's bounds).
    """
    points = table.points
    return Limit(
        rate_per_s=table.rate_per_s,
        burst=table.burst,
        concurrency=table.concurrency,
        safe_share=table.safe_share,
        windows=_windows(table.windows),
        execution=tuple(Execution(one.busy_s, one.span_s) for one in table.execution),
        budgets=tuple(Budget(one.calls, one.resets_at, one.zone) for one in table.budgets),
        points=Points(points.capacity, points.restore_per_s, points.per_call) if points is not None else None,
        operations={
            name: Limit(one.rate_per_s, one.burst, one.concurrency, windows=_windows(one.windows))
            for name, one in table.operations.items()
        },
        learn=_learn(table.learn),
        breaker=_breaker(table.breaker, answer_timeout_s),
    )


def _windows(tables: tuple[WindowTable, ...]) -> tuple[Window, ...]:
    return tuple(Window(one.calls, one.span_s) for one in tables)


def _learn(table: LearnTable) -> Learn | None:
    if not table.on:
        return None
    start = (table.start_per_s, table.start_concurrency)
    return Learn(table.floor_per_s, table.floor_concurrency, *start, table.cooldown_s, table.slow_ratio or None)


def _breaker(table: BreakerTable, answer_timeout_s: float | None) -> Breaker | None:
    if not table.on:
        return None
    slow_s = table.slow_s or (answer_timeout_s and answer_timeout_s * SLOW_PART)
    trip = (table.failures, table.ratio, table.least, table.span_s)
    return Breaker(*trip, slow_s, table.open_s, table.longest_open_s)
