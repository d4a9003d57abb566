"""Does one round of the failure desk's jobs: notes what ended, sends what is due, climbs the ramp or halts."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

import ledger.cases
import ledger.failures
import ledger.jobs
from ledger.actions import Actor
from ledger.failures import FailureKey
from ledger.jobs import Item, Job
from ledger.session import LedgerUnavailable, Session
from routing.patch import Setting
from routing.ramp import Pace, Standing, Step, next_step
from tasks.context import Context
from tasks.edit import Change, EditRefusedError, edit_within
from tasks.replay import Given, give_back
from telemetry.bus import emit
from telemetry.events import Name

LEASE = timedelta(seconds=30)
"""How long a job waits for a process that does not come back."""


def work(context: Context, token: str) -> int:
    """One round of every live job that no other process (``token``) holds; returns how many rows went out."""
    with context.ledger.read() as session:
        live = ledger.jobs.live(session)
    sent = 0
    for job_id in live:
        try:
            sent += _work(context, job_id, token)
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  a job that our own code fails on must not hold the others up
            emit(Name.JOB_WORK_FAILED, error=error)
    return sent


def _work(context: Context, job_id: int, token: str) -> int:
    now = context.now()
    with context.ledger.write() as session:
        job = ledger.jobs.take(session, job_id, token, now, now + LEASE)
        if job is None:
            return 0
        ledger.jobs.note_ends(session, job_id)
        if job.state == "paused":
            return 0
        step = _step(session, job, now)
        given = _send(context, session, job, step.send, now) if step.do == "send" else Given()
        _follow(session, job, step, now)
    if given.retried:
        # Their age is not what they are to be served by: a replay goes behind live traffic.
        given.ready = [replace(row, accepted_at=now) for row in given.ready]
        given.waiting = [replace(row, received_at=now) for row in given.waiting]
        given.publish(context)
    if step.do in ("halt", "end"):
        emit(Name.JOB_END_DONE, count=job.total, state="halted" if step.do == "halt" else "done", reason=step.why or None)
    return len(given.retried)


def _step(session: Session, job: Job, now: datetime) -> Step:
    told = ledger.jobs.rung(session, job.id, job.rung)
    waiting = ledger.jobs.progress(session, job.id).waiting
    standing = Standing(job.rung, waiting, told.out, told.done, told.failed, told.oldest_out_at, job.last_out_at)
    return next_step(Pace(job.ramp, job.rate_per_s, job.stop_above, job.patience_s), standing, now)


def _follow(session: Session, job: Job, step: Step, now: datetime) -> None:
    match step.do:
        case "send":
            ledger.jobs.change(session, job.id, last_out_at=now)
        case "climb":
            ledger.jobs.change(session, job.id, rung=job.rung + 1)
        case "halt":
            ledger.jobs.change(session, job.id, state="halted", told=step.why, lease=None, lease_until=None)
        case "end":
            ledger.jobs.change(session, job.id, state="done", told=step.why, ended_at=now, lease=None, lease_until=None)
        case "wait":
            pass


def _send(context: Context, session: Session, job: Job, most: int, now: datetime) -> Given:
    """Give the next items back to work; what cannot go is noted with the reason and takes no part in the rung."""
    items = ledger.jobs.next_items(session, job.id, most)
    for key in (item.key for item in items):
        ledger.jobs.mark(session, job.id, key, "left")
    fit, refused = _patched(context, session, job, items)
    given = give_back(context, session, [item.key for item in fit], {item.key: item.times for item in fit})
    ledger.failures.lower(session, [row.id for row in given.ready], [row.id for row in given.waiting])
    given.ready = [replace(row, cls="low") for row in given.ready]
    given.waiting = [replace(row, cls="low") for row in given.waiting]
    for key in given.retried:
        ledger.jobs.mark(session, job.id, key, "out", rung=job.rung, out_at=now)
    for key, why in [*refused, *given.left]:
        ledger.jobs.mark(session, job.id, key, "left", told=why)
    return given


def _patched(
    context: Context, session: Session, job: Job, items: Sequence[Item]
) -> tuple[list[Item], list[tuple[FailureKey, str]]]:
    """Make the job's changes; returns the items that took them, and the others with the reason."""
    if not job.patch:
        return list(items), []
    change = Change(tuple(Setting.read(text) for text in job.patch))
    fit, refused = [], []
    for item in items:
        try:
            # Chosen once, changed once: what came to the desk anew since then is not changed again.
            if _still(session, item):
                edit_within(context, session, item.key, change, Actor(job.by, f"job {job.id}: {job.why}"))
            fit.append(item)
        except EditRefusedError as error:
            refused.append((item.key, str(error)))
    return fit, refused


def _still(session: Session, item: Item) -> bool:
    return ledger.cases.occurrences(session, item.key.stage, [item.key.id]).get(item.key.id) == ("open", item.times)
