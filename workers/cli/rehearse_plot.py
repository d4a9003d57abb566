"""Runs the picture of a rehearsal: arrivals, what stands by class, how long it waits, the allowance and the slots used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from routing.names import CLASSES
from workers.rehearse.figures import Prediction, Series

# Told apart also by people who see red and green alike, and in print: by hue, by lightness, by line.
_COLORS = {"high": "#d55e00", "normal": "#0072b2", "low": "#009e73"}
_LINES = {"high": "-", "normal": "--", "low": ":"}
_MORE = ("#444444", "#cc79a7", "#e69f00", "#56b4e9")
_UNITS = (("h", 3600.0, 2 * 3600.0), ("min", 60.0, 180.0), ("s", 1.0, 0.0))


def draw(title: str, told: Prediction, out: Path) -> None:
    """Write the picture; its format follows the file's name (.png, .svg). Raises OSError if it cannot be written."""
    unit, unit_s = next((name, size) for name, size, least in _UNITS if told.lasts_s >= least)
    series = told.series
    at = [step * series.step_s / unit_s for step in range(len(series.arrivals))]
    with mpl.rc_context({"svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(11, 8.4), dpi=120, layout="constrained")
        upper, middle, lower = figure.subplots(3, 1, sharex=True)
        _draw_backlog(upper, at, series)
        _draw_waits(middle, at, series)
        _draw_use(lower, at, told)
        lower.set_xlabel(f"time since the begin, {unit}")
        figure.suptitle(_title(title, told), fontsize=11)
        figure.savefig(out)


def _draw_backlog(axes: Any, at: Sequence[float], series: Series) -> None:
    for cls in CLASSES:
        told = [by[cls] for by in series.backlog.values() if cls in by]
        if told:
            whole = [sum(counts) for counts in zip(*told, strict=True)]
            axes.plot(at, whole, color=_COLORS[cls], linestyle=_LINES[cls], linewidth=1.8, label=cls)
    _finish(axes, "waiting")


def _draw_waits(axes: Any, at: Sequence[float], series: Series) -> None:
    for cls in CLASSES:
        waits = series.waits_p95_s.get(cls)
        if waits:
            shown = [float("nan") if wait is None else wait for wait in waits]
            axes.plot(at, shown, color=_COLORS[cls], linestyle=_LINES[cls], linewidth=1.8, marker=".", markersize=3, label=cls)
    _finish(axes, "p95 wait of what\ncomes then, s")


def _draw_use(axes: Any, at: Sequence[float], told: Prediction) -> None:
    per_s = [count / told.series.step_s for count in told.series.arrivals]
    axes.fill_between(at, per_s, step="post", color="#bbbbbb", alpha=0.6, linewidth=0, label="arrivals")
    for color, one in zip(_MORE, told.allowances, strict=False):
        axes.step(at, told.series.calls_per_s[one.target], where="post", color=color, linewidth=1.4, label=f"calls {one.target}")
        if one.allowed_per_s is not None:
            words = f"limit {one.target} {one.allowed_per_s:g}/s"
            axes.axhline(one.allowed_per_s, color=color, linewidth=1.2, linestyle=(0, (6, 3)), label=words)
    _finish(axes, "a second")


def _finish(axes: Any, name: str) -> None:
    axes.set_ylabel(name)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", ncols=4, frameon=False)


def _title(title: str, told: Prediction) -> str:
    drained = "not drained" if told.drained_s is None else f"drained after {told.drained_s:.0f} s"
    breached = sum(one.breached for one in told.waits)
    return f"{title}\n{told.arrivals} arrivals, {drained}, {breached} promises breached"
