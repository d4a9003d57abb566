"""Does what people do at the failure desk without running anything: notes, assignment, archive, restore, starting of jobs."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby

import ledger.actions
import ledger.cases
import ledger.desk
import ledger.jobs
from ledger.actions import Actor
from ledger.desk import Filter
from ledger.failures import FailureKey
from ledger.jobs import NewJob
from ledger.session import Session
from routing.patch import Setting
from routing.ramp import Pace
from tasks.context import Context


def note(context: Context, key: FailureKey, actor: Actor) -> bool:
    """Keep a note with a case; False if there is none."""
    with context.ledger.write() as session:
        known = key.id in ledger.cases.occurrences(session, key.stage, [key.id])
        ledger.actions.record(session, actor, "note", [str(key)] if known else [], context.now())
    return known


def assign(
    context: Context, keys: Sequence[FailureKey], owner: str | None, due_at: datetime | None, actor: Actor
) -> list[FailureKey]:
    """Give cases to an owner until a time; None gives them back to the rules. Returns those that were there."""
    due = due_at.isoformat() if due_at else None
    return _each(
        context,
        keys,
        actor,
        "assign",
        lambda s, stage, ids: ledger.cases.assign(s, stage, ids, owner, due_at),
        owner=owner,
        due=due,
    )


def archive(context: Context, keys: Sequence[FailureKey], actor: Actor) -> list[FailureKey]:
    """Take cases off the lists; their rows stay parked, nothing is lost. Returns those that were open."""
    return _each(context, keys, actor, "archive", lambda s, stage, ids: ledger.cases.move(s, stage, ids, "open", "archived"))


def restore(context: Context, keys: Sequence[FailureKey], actor: Actor) -> list[FailureKey]:
    """Put archived cases back on the lists. Returns those that were archived."""
    return _each(context, keys, actor, "restore", lambda s, stage, ids: ledger.cases.move(s, stage, ids, "archived", "open"))


def start_job(context: Context, wanted: Filter, patch: Sequence[str], pace: Pace, actor: Actor) -> int:
    """Write a job that replays all that a filter meets now; the relay runs it. Raises PatchError for a wrong patch."""
    for text in patch:
        Setting.read(text)
    now = context.now()
    new = NewJob(wanted.words(), patch, pace.ramp, pace.rate_per_s, pace.stop_above, pace.patience_s, actor.by, actor.why)
    with context.ledger.write() as session:
        chosen = ledger.desk.matching(context.fleet.desk, wanted, now)
        job_id = ledger.jobs.create(session, new, chosen, now)
        total = ledger.jobs.progress(session, job_id).waiting
        ledger.actions.record(
            session, actor, "job", [f"job {job_id}"], now, filter=wanted.words(), patch=list(patch), total=total
        )
    return job_id


def steer_job(context: Context, job_id: int, verb: str, actor: Actor) -> bool:
    """Pause, resume or stop a job; False if it is not in a state that allows it."""
    now = context.now()
    before, values = _STEERING[verb]
    with context.ledger.write() as session:
        job = ledger.jobs.find(session, job_id)
        if job is None:
            return False
        if verb == "resume" and job.state == "halted":
            # The rung that halted it was judged by a person; the next one is judged anew.
            ledger.jobs.note_ends(session, job_id)
            values = values | {"rung": job.rung + 1}
        if verb == "stop":
            values = values | {"ended_at": now}
        told = f"{verb} by {actor.by}: {actor.why}" if verb != "resume" else ""
        done = ledger.jobs.steer(session, job_id, before, told=told, lease=None, lease_until=None, **values)
        ledger.actions.record(session, actor, verb, [f"job {job_id}"] if done else [], now)
    return done


_STEERING: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "pause": (("running",), {"state": "paused"}),
    "resume": (("paused", "halted"), {"state": "running"}),
    "stop": (("running", "paused", "halted"), {"state": "stopped"}),
}


def _each(
    context: Context,
    keys: Sequence[FailureKey],
    actor: Actor,
    verb: str,
    act: Callable[[Session, str, Sequence[int]], list[int]],
    **detail: object,
) -> list[FailureKey]:
    met: list[FailureKey] = []
    with context.ledger.write() as session:
        for stage, some in groupby(sorted(keys, key=lambda key: (key.stage, key.id)), key=lambda key: key.stage):
            met += [FailureKey(stage, row_id) for row_id in sorted(act(session, stage, [key.id for key in some]))]
        ledger.actions.record(session, actor, verb, [str(key) for key in met], context.now(), **detail)
    return met
