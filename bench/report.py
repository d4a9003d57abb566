"""Tells what the benches found: a table, JSON, and a page with plots for ``docs/benchmarks``."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.measures import Run

PRODUCT = "millrace"
HIGHER_IS_BETTER = frozenset({"orders_per_s", "accepted_per_s"})
_HEADLINES = (
    ("drain.ratio", "pipeline", "orders_per_s"),
    ("drain.cpu_ratio", "pipeline", "worker_cpu_s_per_1000"),
    ("intake.ratio", "intake", "accepted_per_s"),
    ("intake.p99_ratio", "intake", "p99_ms"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One bench: medians by contender and figure, why runs were void by contender, and every run."""

    title: str
    medians: dict[str, dict[str, float]]
    voids: dict[str, str]
    runs: tuple[Run, ...]

    @property
    def figures(self) -> list[str]:
        return list(next(iter(self.medians.values()), {}))


def ratios(result: Result) -> dict[str, float]:
    """The product's figures over the best peer's: above 1 is better for rates, below 1 for everything else."""
    ours = result.medians.get(PRODUCT)
    others = [figures for name, figures in result.medians.items() if name != PRODUCT]
    if ours is None or not others:
        return {}
    found = {}
    for figure, value in ours.items():
        best = (max if figure in HIGHER_IS_BETTER else min)(other[figure] for other in others)
        if best:
            found[figure] = value / best
    return found


def headline(results: list[Result]) -> dict[str, float]:
    """The few figures everything is judged by: ratios to the best peer, and how the workers grow with the backlog."""
    by_title = {result.title: result for result in results}
    found: dict[str, float] = {}
    for name, title, figure in _HEADLINES:
        if title in by_title and figure in (compared := ratios(by_title[title])):
            found[name] = compared[figure]
    ours = [result.medians[PRODUCT]["worker_mb"] for result in results if "worker_mb" in result.medians.get(PRODUCT, {})]
    return found | ({"memory.growth": ours[-1] / ours[0]} if len(ours) > 1 else {})


def as_json(results: list[Result]) -> dict[str, object]:
    """Every figure, with the machine it was measured on."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "headline": headline(results),
        "benches": {
            result.title: {
                "medians": result.medians,
                "ratios_to_best_peer": ratios(result),
                "void": result.voids,
                "runs": [asdict(run) for run in result.runs],
            }
            for result in results
        },
    }


def as_text(results: list[Result]) -> str:
    """Tables for people."""
    return "\n\n".join([machine(), *(_table(result) for result in results)])


def write(results: list[Result], folder: Path) -> None:
    """Write ``latest.json``, ``latest.md`` and one plot a bench into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(as_json(results), indent=2) + "\n")
    load = f"{os.getloadavg()[1]:.1f}"
    where = f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {machine()}, load average {load}."
    pages = [f"# Benchmarks\n\n{where} Only ratios within one run mean something."]
    pages += [f"## {one.title.capitalize()}\n\n{_table(one)}\n\n![{one.title}]({_plot(one, folder)})" for one in results]
    (folder / "latest.md").write_text("\n\n".join(pages) + "\n")


def machine() -> str:
    """What the figures were measured on."""
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {system}, Python {platform.python_version()}"


def _table(result: Result) -> str:
    compared = ratios(result)
    rows = [["contender", *result.figures]]
    rows += [[name, *(f"{figures[figure]:.2f}" for figure in result.figures)] for name, figures in result.medians.items()]
    if compared:
        rows.append([f"{PRODUCT} / best peer", *(f"{compared[f]:.2f}" if f in compared else "" for f in result.figures)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    voids = [f"Void: {name}: {why}" for name, why in result.voids.items()]
    return "\n".join([result.title, "", *lines, *voids])


def _plot(result: Result, folder: Path) -> str:
    import matplotlib as mpl  # noqa: PLC0415  # only the report needs it, and it is heavy

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # as above

    shown = result.figures[:1] + [
        figure for figure in result.figures[1:] if figure in {"p99_ms", "worker_cpu_s_per_1000", "all_cpu_s_per_1000"}
    ]
    picture, axes = plt.subplots(1, max(1, len(shown)), figsize=(4 * max(1, len(shown)), 3.2), squeeze=False)
    names = list(result.medians)
    for axis, figure in zip(axes[0], shown, strict=False):
        colours = ["#c2410c" if name == PRODUCT else "#64748b" for name in names]
        axis.bar(names, [result.medians[name][figure] for name in names], color=colours)
        axis.set_title(figure.replace("_", " "), fontsize=9)
        axis.tick_params(axis="x", labelrotation=30, labelsize=8)
    picture.tight_layout()
    name = result.title.replace(" ", "-") + ".svg"
    picture.savefig(folder / name)
    plt.close(picture)
    return name
