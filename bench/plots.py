"""Draws what the benches found: bars by contender, and the limit against the achieved rate over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.schedule import PRODUCT
from bench.stage import Run

_OURS, _THEIRS, _LIMIT, _REFUSED = "#c2410c", "#64748b", "#0f172a", "#dc2626"
_SHOWN = frozenset({"p99_ms", "worker_cpu_s_per_1000", "all_cpu_s_per_1000", "refused", "max_s", "worker_cpu_ms_an_order"})


def draw(title: str, medians: Mapping[str, Mapping[str, float]], runs: Sequence[Run], folder: Path) -> list[str]:
    """Draw one bench's plots into ``folder``; the names of the files, none where no run was good."""
    import matplotlib as mpl  # noqa: PLC0415  # only the report needs it, and it is heavy

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "bench"
    from matplotlib import pyplot as plt  # noqa: PLC0415  # as above

    names = []
    if medians:
        names.append(_save(_bars(plt, medians), folder, title))
    last = {run.contender: run for run in runs if run.curve and not run.void}
    if last:
        names.append(_save(_curves(plt, last), folder, f"{title} over time"))
    plt.close("all")
    return names


def _bars(plt: Any, medians: Mapping[str, Mapping[str, float]]) -> Any:
    first, *others = next(iter(medians.values()))
    shown = [first, *(figure for figure in others if figure in _SHOWN)]
    picture, axes = plt.subplots(1, len(shown), figsize=(4 * len(shown), 3.2), squeeze=False)
    for axis, figure in zip(axes[0], shown, strict=True):
        names = [name for name, figures in medians.items() if figure in figures]
        colours = [_OURS if name == PRODUCT else _THEIRS for name in names]
        axis.bar(names, [medians[name][figure] for name in names], color=colours)
        axis.set_title(figure.replace("_", " "), fontsize=9)
        axis.tick_params(axis="x", labelrotation=30, labelsize=8)
    return picture


def _curves(plt: Any, runs: Mapping[str, Run]) -> Any:
    picture, axes = plt.subplots(len(runs), 1, figsize=(8, 2.2 * len(runs)), squeeze=False, sharex=True)
    for axis, (name, run) in zip(axes[:, 0], runs.items(), strict=True):
        seconds, limits, let_in, turned_away = zip(*run.curve, strict=True)
        axis.step(seconds, limits, where="post", color=_LIMIT, linewidth=1, linestyle="--", label="limit")
        axis.step(seconds, let_in, where="post", color=_OURS if name == PRODUCT else _THEIRS, label="let in")
        axis.step(seconds, turned_away, where="post", color=_REFUSED, linewidth=1, label="refused")
        axis.set_ylim(0, max(*limits, *let_in, *turned_away) * 1.15)
        axis.set_ylabel("calls/s", fontsize=8)
        axis.set_title(name, fontsize=9)
        axis.legend(fontsize=7, loc="lower right")
    axes[-1, 0].set_xlabel("seconds", fontsize=8)
    return picture


def _save(picture: Any, folder: Path, title: str) -> str:
    name = title.replace(" ", "-") + ".svg"
    picture.tight_layout()
    picture.savefig(folder / name, metadata={"Date": None})
    return name
