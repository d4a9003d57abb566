"""Runs `millrace jobs`, and starts them: replays of many rows in a growing ramp, with a preview first."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.choosing import By, Why, actor
from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, Most, RowId, fail, say, show_fields, show_json, show_table
from workers.cli.wiring import context, reading, settings

if TYPE_CHECKING:
    from ledger.actions import Actor
    from ledger.desk import Filter
    from ledger.jobs import Job, Progress
    from routing.ramp import Pace

jobs = typer.Typer(help="Replays of many rows: progress, pause, resume, stop.", epilog=EPILOG, no_args_is_help=True)

Yes = Annotated[bool, typer.Option("--yes", help="Start without asking.")]
Ramp = Annotated[str, typer.Option("--ramp", help="Rows of each rung; the last one repeats. Each rung is waited for.")]
Rate = Annotated[float, typer.Option("--rate", min=0.01, max=1_000, help="Most rows a second.")]
StopAbove = Annotated[float, typer.Option("--stop-above", min=0, max=1, help="Halt when a larger share of a rung fails.")]
Patience = Annotated[float, typer.Option("--patience-s", min=1, max=86_400, help="Longest wait for a rung to end.")]

WATCH_EVERY_S = 1.0


@jobs.command("list", epilog="Example: millrace jobs list")
def list_jobs(most: Most = 20, as_json: Json = False) -> None:
    """Show jobs with their progress, newest first."""
    import ledger.jobs

    with reading() as session:
        found = ledger.jobs.listed(session, most)
        progress = ledger.jobs.progress_of(session, [job.id for job in found])
    rows = [(job, progress[job.id]) for job in found]
    if as_json:
        return show_json([_plain(job, at) for job, at in rows])
    if not rows:
        return say("no jobs")
    cells = (
        [str(job.id), job.state, str(job.total), str(at.waiting), str(at.out), str(at.done), str(at.failed), str(at.left), job.by,
         job.why, job.told]
        for job, at in rows
    )  # fmt: skip
    return show_table(["job", "state", "rows", "waiting", "out", "done", "failed", "left", "by", "why", "told"], cells)


@jobs.command("show", epilog="Example: millrace jobs show 5 --watch")
def show_job(
    job_id: RowId,
    watch: Annotated[bool, typer.Option("--watch", help="Tell the progress until the job is over or halts.")] = False,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show one job and the rows that failed again or were left alone."""
    import ledger.jobs

    if watch:
        _watch(job_id)
    with reading() as session:
        job = _found(ledger.jobs.find(session, job_id), job_id)
        at = ledger.jobs.progress(session, job_id)
        left = ledger.jobs.left(session, job_id, most)
    rows = [{"key": str(key), "state": state, "told": told} for key, state, told in left]
    if as_json:
        return show_json(_plain(job, at) | {"rows": rows})
    show_fields(job, as_json=False)
    sys.stdout.write(f"progress      {_line(at)}\n")
    for row in rows:
        sys.stdout.write(f"{row['key']}  {row['state']}  {row['told']}\n")
    return None


@jobs.command("pause", epilog="Example: millrace jobs pause 5 --why 'the ERP is slow'")
def pause_job(job_id: RowId, by: By = "", why: Why = "") -> None:
    """Send nothing more of a job for now; what is out runs on."""
    _steer(job_id, "pause", by, why)


@jobs.command("resume", epilog="Example: millrace jobs resume 5")
def resume_job(job_id: RowId, by: By = "", why: Why = "") -> None:
    """Go on with a paused or halted job; a halted one with its next rung."""
    _steer(job_id, "resume", by, why)


@jobs.command("stop", epilog="Example: millrace jobs stop 5 --why 'wrong filter'")
def stop_job(job_id: RowId, by: By = "", why: Why = "") -> None:
    """End a job for good; what is out runs on, the rest stays parked."""
    _steer(job_id, "stop", by, why)


def pace_of(ramp: str, rate_per_s: float, stop_above: float, patience_s: float) -> "Pace":
    """The pace the options give; a wrong ramp ends the command with code 2."""
    from routing.ramp import Pace

    rungs = ramp.split(",")
    if len(rungs) > 20 or not all(rung.strip().isdecimal() and 0 < int(rung) <= 100_000 for rung in rungs):
        fail(f"--ramp {ramp!r}: write whole numbers such as 1,10,100", Exit.USAGE)
    return Pace(tuple(int(rung) for rung in rungs), rate_per_s, stop_above, patience_s)


def preview(wanted: "Filter", *, as_json: bool) -> None:
    """Show how much a filter meets: rows, orders, money, by target and operation."""
    import ledger.desk
    from workers.bootstrap import now

    rules = settings().fleet.desk
    with reading() as session:
        total = ledger.desk.totals(session, rules, wanted, now())
        parts = ledger.desk.groups(session, rules, wanted, now(), ("cause", "target", "operation"), 20)
        first = ledger.desk.listed(session, rules, wanted, now(), 10)
    keys = [str(row.key) for row in first]
    count, orders, money = (total.count, total.orders, dict(total.money)) if total else (0, 0, {})
    if as_json:
        groups = [
            {"group": p.group, "cause": p.cause, "target": p.target, "operation": p.operation, "count": p.count} for p in parts
        ]
        return show_json({"count": count, "orders": orders, "money": money, "first": keys, "groups": groups})
    sums = ", ".join(f"{amount} {currency}" for currency, amount in sorted(money.items()))
    say(f"{count} rows of {orders} orders{f', {sums}' if sums else ''}: {' '.join(keys)}{' ...' if count > len(keys) else ''}")
    for part in parts:
        say(f"  {part.count}  {part.target or '-'} {part.operation}  {part.code} {part.cause}")
    return None


def start(
    wanted: "Filter", patch: Sequence[str], pace: "Pace", who: "Actor", *, yes: bool, as_json: bool,
    shown: Callable[[], None] | None = None,
) -> None:  # fmt: skip
    """Show what a job would do, ask unless ``yes``, and write it; the relay runs it."""
    from tasks.desk import start_job

    if not yes:
        preview(wanted, as_json=False)
        if shown:
            shown()
        if not sys.stdin.isatty():
            fail("nothing was started: look at the preview, then say --yes", Exit.USAGE)
        typer.confirm("Start the job?", abort=True, err=True)
    with context() as tools:
        job_id = start_job(tools, wanted, patch, pace, who)
    with reading() as session:
        import ledger.jobs

        job = _found(ledger.jobs.find(session, job_id), job_id)
    if as_json:
        return show_json({"job": job_id, "total": job.total})
    return say(f"job {job_id} replays {job.total} rows; follow it with millrace jobs show {job_id} --watch")


def _steer(job_id: int, verb: str, by: str, why: str) -> None:
    import ledger.jobs
    from tasks.desk import steer_job

    with reading() as session:
        job = _found(ledger.jobs.find(session, job_id), job_id)
    with context() as tools:
        done = steer_job(tools, job_id, verb, actor(by, why))
    if not done:
        fail(f"job {job_id} is {job.state}: it cannot {verb}", Exit.REFUSED)
    say(f"job {job_id}: {verb}")


def _watch(job_id: int) -> None:
    import ledger.jobs

    told = ""
    while True:
        with reading() as session:
            job = _found(ledger.jobs.find(session, job_id), job_id)
            line = f"{job.state}, rung {job.rung + 1}: {_line(ledger.jobs.progress(session, job_id))}"
        if line != told:
            say(line)
            told = line
        if job.state in ("done", "halted", "stopped"):
            return
        time.sleep(WATCH_EVERY_S)


def _found(job: "Job | None", job_id: int) -> "Job":
    if job is None:
        fail(f"no job {job_id}; see millrace jobs list", Exit.NOT_FOUND)
    return job


def _line(at: "Progress") -> str:
    return f"{at.done} done, {at.out} out, {at.waiting} waiting, {at.failed} failed again, {at.left} left alone"


def _plain(job: "Job", at: "Progress") -> dict[str, object]:
    progress = {name: getattr(at, name) for name in at.__slots__}
    return {name: getattr(job, name) for name in job.__slots__} | {"progress": progress}
