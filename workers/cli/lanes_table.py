"""Runs the pictures of lanes in a terminal: a table of all, one lane in full, and the same as plain values."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workers.cli.moments import span

if TYPE_CHECKING:
    from rich.table import Table

    from adapters.throttle.status import LaneStatus
    from workers.lanes import LaneView
    from workers.waiting import Waiting

HEADINGS = (
    "lane", "state", "limit", "working", "permits", "waiting", "high / normal / low", "oldest", "done/s", "throttled 10s, 60s",
    "breaker", "drains in", "why",
)  # fmt: skip
PLACES = ("domain", "class", "rows", "oldest", "messages")


def cells(view: "LaneView") -> list[str]:
    """One line of the table."""
    status = view.status
    return [
        view.lane,
        _state(view),
        _limit(view),
        _working(status, view.state.scale),
        "-" if status is None else str(status.permits),
        _count(view.rows, view.more),
        " / ".join(_by_class(view.waiting, cls) for cls in ("high", "normal", "low")),
        span(view.oldest_s),
        "-" if view.done_per_s is None else f"{view.done_per_s:.1f}",
        "-" if status is None else _throttled(status),
        "-" if status is None else _breaker(status),
        _drain(view),
        why(view),
    ]


def table(views: Sequence["LaneView"]) -> "Table":
    """All lanes as a table that a terminal can show live."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(*HEADINGS, box=SIMPLE_HEAD, pad_edge=False)
    for view in views:
        made.add_row(*(Text(cell, style=_style(view, name)) for name, cell in zip(HEADINGS, cells(view), strict=True)))
    return made


def places(view: "LaneView") -> "Table":
    """What waits in a lane by domain and class, as a table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(*PLACES, box=SIMPLE_HEAD, pad_edge=False)
    for row in place_rows(view):
        made.add_row(*row)
    return made


def place_rows(view: "LaneView") -> list[list[str]]:
    """Domain, class, rows, oldest and messages of each place where something waits."""
    return [
        [one.domain, one.cls, _count(one.rows, one.more), span(one.oldest_s), "-" if one.messages is None else str(one.messages)]
        for one in view.waiting
    ]


def why(view: "LaneView") -> str:
    """What holds a lane back, in words; empty if nothing does."""
    told = [view.state.why] if view.state.why else []
    if view.status is not None and view.status.paused_s > 0:
        told.append(f"the target asked to wait {span(view.status.paused_s)}: {view.status.paused_why}")
    if view.status is not None:
        told += [f"{name}: {state}" for name, state in view.status.breakers.items() if state != "closed"]
    return "; ".join(told)


def values(view: "LaneView") -> dict[str, Any]:
    """One lane as plain values for JSON."""
    status = view.status
    told: dict[str, Any] = {
        "lane": view.lane,
        "target": view.target,
        "state": view.state.word,
        "why": why(view),
        "scale": round(view.state.scale, 3),
        "until": view.state.until.isoformat() if view.state.until else None,
        "waiting": view.rows,
        "waiting_at_least": view.more,
        "oldest_s": _rounded(view.oldest_s),
        "done_per_s": _rounded(view.done_per_s),
        "drain_s": _rounded(view.drain_s),
        "by_class": [
            {
                "domain": one.domain,
                "class": one.cls,
                "rows": one.rows,
                "at_least": one.more,
                "messages": one.messages,
                "oldest_s": _rounded(one.oldest_s),
            }
            for one in view.waiting
        ],
        "limit": None,
        "limiter": None,
    }
    if view.limit is not None:
        told["limit"] = {"rate_per_s": view.limit.rate_per_s, "burst": view.limit.burst, "concurrency": view.limit.concurrency}
    if status is not None:
        told["limiter"] = limiter_values(status)
    return told


def limiter_values(status: "LaneStatus") -> dict[str, Any]:
    """A limiter as plain values."""
    return {
        "working_per_s": _rounded(status.working_per_s),
        "working_concurrency": status.working_concurrency,
        "permits": status.permits,
        "tokens": _rounded(status.tokens),
        "paused_s": _rounded(status.paused_s),
        "paused_why": status.paused_why,
        "breaker": status.breaker,
        "breakers": dict(status.breakers),
        "windows_left": list(status.windows_left),
        "execution_left_s": [round(left_s, 1) for left_s in status.execution_left_s],
        "budgets_left": list(status.budgets_left),
        "points_left": _rounded(status.points_left),
        "latency_s": _rounded(status.latency_s),
        "answered_10s": status.answered_10s,
        "throttled_10s": status.throttled_10s,
        "answered_60s": status.answered_60s,
        "throttled_60s": status.throttled_60s,
    }


def clock(at: datetime | None) -> str:
    """A moment for people, in UTC."""
    return "-" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def per_second(rate: float | None) -> str:
    """A rate for people."""
    return "-" if rate is None else f"{rate:g}" if rate >= 10 or rate == int(rate) else f"{rate:.2g}"


def _state(view: "LaneView") -> str:
    if view.state.word in ("ramp", "canary"):
        return f"{view.state.word} {view.state.scale:.0%}"
    ends = f" to {view.state.until.astimezone(UTC):%H:%MZ}" if view.state.until and view.state.scale == 0 else ""
    return f"{view.state.word}{ends}"


def _limit(view: "LaneView") -> str:
    if view.limit is None:
        return "-"
    rate = "no rate" if view.limit.rate_per_s is None else f"{per_second(view.limit.rate_per_s)}/s"
    return rate if view.limit.concurrency is None else f"{rate} x{view.limit.concurrency}"


def _working(status: "LaneStatus | None", scale: float) -> str:
    if status is None:
        return "-"
    rate = "no rate" if status.working_per_s is None else f"{per_second(round(status.working_per_s * scale, 1))}/s"
    most = status.working_concurrency
    at_once = None if most is None else 0 if scale == 0 else max(1, int(most * scale))
    return rate if at_once is None else f"{rate} x{at_once}"


def _throttled(status: "LaneStatus") -> str:
    if not status.answered_60s:
        return "none"
    return f"{status.throttled_10s} of {status.answered_10s}, {status.throttled_60s} of {status.answered_60s}"


def _breaker(status: "LaneStatus") -> str:
    if status.breaker != "closed":
        return status.breaker
    own = sum(state != "closed" for state in status.breakers.values())
    return f"{own} open" if own else "closed"


def _drain(view: "LaneView") -> str:
    if not view.rows or view.done_per_s is None:
        return "-"
    if view.drain_s is None:
        return "stands"
    return f"{'over ' if view.more else ''}{span(view.drain_s)}"


def _by_class(waiting: Sequence["Waiting"], cls: str) -> str:
    here = [one for one in waiting if one.cls == cls]
    return _count(sum(one.rows for one in here), any(one.more for one in here))


def _count(rows: int, more: bool) -> str:
    return f"{rows}+" if more else str(rows)


def _style(view: "LaneView", heading: str) -> str:
    if heading == "state" and view.state.scale == 0:
        return "bold red"
    if heading == "state" and view.state.word != "open":
        return "yellow"
    if heading == "breaker" and view.status is not None and _breaker(view.status) != "closed":
        return "bold red"
    if heading == "throttled 10s, 60s" and view.status is not None and view.status.throttled_10s:
        return "yellow"
    return ""


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
