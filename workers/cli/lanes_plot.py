"""Runs the picture of a lane: its limit against what was granted, answered and throttled, second by second."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.dates
from matplotlib.figure import Figure

from adapters.throttle.status import Sample

# Told apart also by people who see red and green alike, and in print.
_LIMIT, _WORKING, _GRANTED, _ANSWERED, _THROTTLED = "#444444", "#0072b2", "#009e73", "#56b4e9", "#d55e00"
_MOST_POINTS = 600

dates: Any = matplotlib.dates  # not typed


def draw(lane: str, samples: Sequence[Sample], limit_per_s: float | None, out: Path) -> None:
    """Write the picture; its format follows the file's name (.png, .svg). Raises OSError if it cannot be written."""
    whole = _with_gaps(samples)
    step = max(1, -(-len(whole) // _MOST_POINTS))
    points = [_mean(whole[first : first + step]) for first in range(0, len(whole), step)]
    with mpl.rc_context({"svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 6.2), dpi=120, layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(9, 2))
        _draw_rates(upper, points, limit_per_s)
        _draw_throttled(lower, points)
        _name_axes(figure, (upper, lower), lane, whole, step)
        figure.savefig(out)


def _draw_rates(axes: Any, points: Sequence["_Point"], limit_per_s: float | None) -> None:
    at = [point.at for point in points]
    axes.fill_between(at, [p.granted for p in points], step="mid", color=_GRANTED, alpha=0.18, linewidth=0)
    axes.step(at, [p.granted for p in points], where="mid", color=_GRANTED, linewidth=1.4, label="granted")
    axes.step(at, [p.answered for p in points], where="mid", color=_ANSWERED, linewidth=1.0, label="answered")
    if any(p.working is not None for p in points):
        working = [float("nan") if p.working is None else p.working for p in points]
        axes.plot(at, working, color=_WORKING, linewidth=2.0, label="working limit")
    if limit_per_s is not None:
        axes.axhline(limit_per_s, color=_LIMIT, linewidth=1.4, linestyle=(0, (6, 3)), label=f"limit {limit_per_s:g}/s")
    axes.set_ylim(bottom=0, top=_top(points, limit_per_s))
    axes.set_ylabel("requests a second")
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=5, frameon=False)


def _draw_throttled(axes: Any, points: Sequence["_Point"]) -> None:
    at, heights = [point.at for point in points], [point.throttled for point in points]
    width = min((b.at - a.at for a, b in pairwise(points)), default=1.0 / 86_400)
    axes.bar(at, heights, width=width, color=_THROTTLED, linewidth=0)
    axes.set_ylim(bottom=0, top=max(1.0, *heights) * 1.15)
    axes.set_ylabel("throttled")
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)


def _name_axes(figure: Figure, axes: Sequence[Any], lane: str, whole: Sequence[Sample], step: int) -> None:
    first, last = (datetime.fromtimestamp(one.at, UTC) for one in (whole[0], whole[-1]))
    answered, throttled = sum(one.answered for one in whole), sum(one.throttled for one in whole)
    part = f"{throttled / answered:.2%}" if answered else "none"
    mean = f", mean of {step} s" if step > 1 else ""
    figure.suptitle(
        f"{lane}   {first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} UTC{mean}\n"
        f"{answered} answered ({answered / len(whole):.1f}/s), {throttled} of them throttled ({part})",
        fontsize=11,
    )
    axes[-1].xaxis.set_major_locator(dates.AutoDateLocator(tz=UTC, minticks=6, maxticks=12))
    axes[-1].xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S", tz=UTC))
    axes[-1].set_xlabel("time, UTC")
    axes[-1].margins(x=0.01)


class _Point:
    """The mean of some seconds at their middle (in matplotlib's days)."""

    __slots__ = ("answered", "at", "granted", "throttled", "working")

    def __init__(self, at: float, working: float | None, granted: float, answered: float, throttled: float) -> None:
        self.at, self.working, self.granted, self.answered, self.throttled = at, working, granted, answered, throttled


def _mean(some: Sequence[Sample]) -> _Point:
    count = len(some)
    working = [one.working_per_s for one in some if one.working_per_s is not None]
    at = dates.date2num(datetime.fromtimestamp(some[0].at + count / 2, UTC))
    return _Point(
        float(at),
        sum(working) / len(working) if working else None,
        sum(one.granted for one in some) / count,
        sum(one.answered for one in some) / count,
        sum(one.throttled for one in some) / count,
    )


def _with_gaps(samples: Sequence[Sample]) -> list[Sample]:
    """A second that nobody told is one in which nothing happened."""
    by_second = {int(one.at): one for one in samples}
    first, last = min(by_second), max(by_second)
    return [by_second.get(at) or Sample(float(at), None, 0, 0, 0) for at in range(first, last + 1)]


def _top(points: Sequence[_Point], limit_per_s: float | None) -> float:
    highest = max(max(p.granted, p.answered, p.working or 0.0) for p in points)
    return max(1.0, highest, limit_per_s or 0.0) * 1.12
