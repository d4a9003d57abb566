"""Runs the benches: ``python -m bench [throttled|express|...|all] [--minutes N] [--rounds N] [--smoke] [--docs FOLDER]``.

A sitting takes the benches in turns until all wished rounds are done or its time is over; figures are medians of the rounds.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pika  # type: ignore[import-untyped]  # ships no types
import psycopg

from bench import report
from bench.catalogue import NAMES, Sizes, catalogue, smoke
from bench.report import Result, results_of
from bench.schedule import Bench, Schedule
from bench.services import Site
from bench.stage import Run


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code is 1 when a run of the product was void."""
    told = _arguments().parse_args(argv)
    names = NAMES if "all" in told.bench else told.bench
    only = tuple(name for name in told.only.split(",") if name)
    folder = Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    folder.chmod(0o755)
    try:
        with Site(folder) as site:
            benches = catalogue(names, site, smoke() if told.smoke else _sizes(told.orders), only)
            results = _sitting([_at_most(bench, told.rounds) for bench in benches], told.minutes * 60, told.docs)
    finally:
        if told.keep:
            sys.stderr.write(f"logs are in {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if told.json:
        sys.stdout.write(json.dumps(report.as_json(results), indent=2) + "\n")
    else:
        sys.stdout.write(report.as_text(results) + "\n")
    return 1 if any("millrace" in result.voids for result in results) else 0


def _sitting(benches: list[Bench], limit_s: float, docs: Path | None) -> list[Result]:
    schedule = Schedule(benches)
    began_s = time.monotonic()
    while (chosen := schedule.next(began_s + limit_s - time.monotonic())) is not None:
        bench, contender = chosen
        started_s = time.monotonic()
        run = _once(bench, contender)
        schedule.note(bench, run, time.monotonic() - started_s)
        figures = "  ".join(f"{name}={value:.3f}" for name, value in run.figures.items())
        gone_s = time.monotonic() - began_s
        left_s = max(0.0, min(schedule.to_come_s(), limit_s - gone_s))
        sys.stderr.write(f"[{gone_s / 60:.1f} min, about {left_s / 60:.1f} left] {bench.title} {contender}: ")
        sys.stderr.write(f"{run.void or 'ok'}  {figures}\n")
        if docs:
            report.write(results_of(schedule), docs)
    return results_of(schedule)


def _once(bench: Bench, contender: str) -> Run:
    try:
        return bench.measures[contender]()
    except (RuntimeError, OSError, ValueError, psycopg.Error, pika.exceptions.AMQPError) as error:
        return Run(contender, {}, f"failed: {error}")


def _at_most(bench: Bench, rounds: int | None) -> Bench:
    if rounds is None:
        return bench
    most = {name: min(rounds, getattr(bench, name)) for name in ("rounds", "best_rounds", "peer_rounds")}
    return replace(bench, **most)


def _sizes(orders: int | None) -> Sizes:
    return Sizes() if orders is None else replace(Sizes(), accepted=orders, drained=orders)


def _arguments() -> argparse.ArgumentParser:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("bench", choices=(*NAMES, "all"), nargs="*", default="all")
    asked.add_argument("--minutes", type=float, default=28.0, help="no repetition begins that would end later than this")
    asked.add_argument("--rounds", type=int, default=None, help="at most so many rounds of each bench")
    asked.add_argument("--orders", type=int, default=None, help="orders of one run of pipeline and intake")
    asked.add_argument("--only", default="", help="names of contenders, separated by commas")
    asked.add_argument("--smoke", action="store_true", help="tiny sizes: does it all work? The figures mean nothing")
    asked.add_argument("--json", action="store_true", help="figures as JSON on stdout and nothing else")
    asked.add_argument("--docs", type=Path, default=None, help="folder to write the report, plots and latest.json to")
    asked.add_argument("--keep", action="store_true", help="keep the logs of all processes")
    return asked


if __name__ == "__main__":
    sys.exit(main())
