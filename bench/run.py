"""Runs the benches: ``python -m bench.run [intake|pipeline|memory|all ...] --rounds N --orders N [--json]``.

Contenders take turns within a round, so that a slow minute of the machine hits all of them; figures are medians over the rounds.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import measures, report
from bench.contenders import Contender, peers
from bench.measures import Run
from bench.millrace import Millrace
from bench.report import Result
from bench.services import Site

BENCHES = ("intake", "pipeline", "memory")
BACKLOGS = (1_000, 100_000)

Measure = Callable[[Contender], Run]


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code is 1 when a run was void."""
    told = _arguments().parse_args(argv)
    names = BENCHES if "all" in told.bench else told.bench
    contenders = [one for one in all_contenders() if not told.only or one.name in told.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="millrace-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with Site(Path(folder)) as site:
            results: list[Result] = []
            for name in names:
                results += _bench(name, contenders, site, told)
                if told.docs:
                    report.write(results, told.docs)
    if told.json:
        sys.stdout.write(json.dumps(report.as_json(results), indent=2) + "\n")
    else:
        sys.stdout.write(report.as_text(results) + "\n")
    return 1 if any(result.voids for result in results) else 0


def all_contenders() -> list[Contender]:
    """Everybody who takes part, in the order of a round."""
    return [Millrace(), *peers()]


def _bench(name: str, contenders: list[Contender], site: Site, told: argparse.Namespace) -> list[Result]:
    if name == "pipeline":
        measure = partial(measures.pipeline, site=site, orders=told.orders, service_s=told.service_ms / 1000)
        return [_rounds("pipeline", contenders, measure, told.rounds)]
    if name == "intake":
        measure = partial(measures.intake, site=site, orders=told.orders, connections=told.connections)
        return [_rounds("intake", contenders, measure, told.rounds)]
    return [
        _rounds(f"memory at a backlog of {backlog}", contenders, partial(measures.memory, site=site, backlog=backlog), 1)
        for backlog in BACKLOGS
    ]


def _rounds(title: str, contenders: list[Contender], measure: Measure, rounds: int) -> Result:
    runs: list[Run] = []
    for number in range(1, rounds + 1):
        for contender in contenders:
            run = _once(contender, measure)
            runs.append(run)
            told = "  ".join(f"{name}={value:.2f}" for name, value in run.figures.items())
            sys.stderr.write(f"{title} round {number} {contender.name}: {run.void or 'ok'}  {told}\n")
    return Result(title, _medians(runs), {run.contender: run.void for run in runs if run.void}, tuple(runs))


def _once(contender: Contender, measure: Measure) -> Run:
    try:
        return measure(contender)
    except (RuntimeError, TimeoutError, OSError) as error:
        return Run(contender.name, {}, f"failed: {error}")


def _medians(runs: list[Run]) -> dict[str, dict[str, float]]:
    medians: dict[str, dict[str, float]] = {}
    for contender in dict.fromkeys(run.contender for run in runs):
        good = [run.figures for run in runs if run.contender == contender and not run.void]
        if good:
            medians[contender] = {name: statistics.median(figures[name] for figures in good) for name in good[0]}
    return medians


def _arguments() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("bench", choices=(*BENCHES, "all"), nargs="*", default="all")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--orders", type=int, default=3_000)
    asked.add_argument("--connections", type=int, default=32)
    asked.add_argument("--service-ms", type=float, default=20.0, help="how long the ERP takes for one posting")
    asked.add_argument("--only", default="", help="names of contenders, separated by commas")
    asked.add_argument("--json", action="store_true", help="figures as JSON on stdout and nothing else")
    asked.add_argument("--docs", type=Path, default=None, help="folder to write the report, plots and latest.json to")
    return asked


if __name__ == "__main__":
    sys.exit(main())
