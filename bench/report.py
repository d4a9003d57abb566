"""Tells what the benches found: tables, JSON, and a page with plots for ``docs/benchmarks``."""

import json
import os
import platform
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import plots
from bench.headline import headlines, ratio_to_best
from bench.schedule import PRODUCT, Schedule
from bench.stage import Run

Medians = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Result:
    """One bench: medians by contender and figure, why runs were void by contender, and every run."""

    title: str
    medians: Medians
    voids: dict[str, str]
    runs: tuple[Run, ...]

    @property
    def figures(self) -> list[str]:
        """Names of the figures, the product's first."""
        named = [self.medians.get(PRODUCT, {}), *self.medians.values()]
        return list(dict.fromkeys(name for figures in named for name in figures))

    @property
    def rounds(self) -> Counter[str]:
        """Good runs each contender's medians are of."""
        return Counter(run.contender for run in self.runs if not run.void)


def result_of(title: str, runs: Sequence[Run]) -> Result:
    """Medians of the good runs; a void run counts for nothing but its reason."""
    medians: Medians = {}
    for contender in dict.fromkeys(run.contender for run in runs):
        good = [run.figures for run in runs if run.contender == contender and not run.void]
        if good:
            medians[contender] = {name: statistics.median(figures[name] for figures in good) for name in good[0]}
    return Result(title, medians, {run.contender: run.void for run in runs if run.void}, tuple(runs))


def results_of(schedule: Schedule) -> list[Result]:
    """What every bench of a sitting has come to so far."""
    return [result_of(bench.title, schedule.runs[bench.title]) for bench in schedule.benches if bench.title in schedule.runs]


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """Every figure, with the machine it was measured on."""
    found = headlines({result.title: result.medians for result in results})
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_average": os.getloadavg()[1],
        "headline": {name: headline.value for name, headline in found.items()},
        "figures": {name: {"value": one.value, "peers": dict(one.peers)} for name, one in found.items()},
        "benches": {
            result.title: {
                "medians": result.medians,
                "rounds": dict(result.rounds),
                "void": result.voids,
                "runs": [asdict(run) for run in result.runs],
            }
            for result in results
        },
    }


def as_text(results: Sequence[Result]) -> str:
    """Tables for people."""
    return "\n\n".join([machine(), _headline_table(results), *(f"{one.title}\n\n{_table(one)}" for one in results)])


def write(results: Sequence[Result], folder: Path) -> None:
    """Write ``latest.json``, ``latest.md`` and the plots of every bench into ``folder``; plots of earlier runs go."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(as_json(results), indent=2) + "\n")
    load = f"{os.getloadavg()[1]:.1f}"
    where = f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {machine()}, load average {load}."
    pages = [f"# Benchmarks\n\n{where} Only figures of one run can be compared.", _headline_table(results)]
    for one in results:
        pictures = [f"![{name}]({name})" for name in plots.draw(one.title, one.medians, one.runs, folder)]
        pages.append("\n\n".join([f"## {one.title.capitalize()}", _table(one), *pictures]))
    page = "\n\n".join(pages) + "\n"
    (folder / "latest.md").write_text(page)
    for picture in folder.glob("*.svg"):
        if f"({picture.name})" not in page:
            picture.unlink()


def machine() -> str:
    """What the figures were measured on."""
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {system}, Python {platform.python_version()}"


def _headline_table(results: Sequence[Result]) -> str:
    rows = [["figure", PRODUCT, "peers"]]
    for name, one in headlines({result.title: result.medians for result in results}).items():
        beside = ", ".join(f"{peer} {_told(value)}" for peer, value in one.peers.items())
        rows.append([name, _told(one.value), beside])
    return _markdown(rows)


def _table(result: Result) -> str:
    rows = [["contender", "runs", *result.figures]]
    for name, figures in result.medians.items():
        told = [_told(figures[figure]) if figure in figures else "" for figure in result.figures]
        rows.append([name, str(result.rounds[name]), *told])
    compared = {figure: ratio_to_best(result.medians, figure) for figure in result.figures}
    if any(ratio is not None for ratio in compared.values()):
        told = [_told(ratio) if ratio is not None else "" for ratio in compared.values()]
        rows.append([f"{PRODUCT} / best peer", "", *told])
    voids = [f"Void: {name}: {why}" for name, why in result.voids.items()]
    return "\n\n".join([_markdown(rows), *voids])


def _told(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
