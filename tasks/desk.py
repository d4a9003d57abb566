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
from ledger.failures import FailureKey, Stage
from ledger.jobs import NewJob
from ledger.session import Session
from routing.patch import Setting
from routing.ramp import Pace
from tasks.context import Context

Act = Callable[[Session, Stage, Sequence[int]], list[int]]
"""Does it to cases of a stage; returns those it met."""
Stood = Callable[[Session, Stage, Sequence[int]], dict[str, dict[str, object]]]
"""How cases of a stage stand before it is done, by key."""


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

    def act(session: Session, stage: Stage, ids: Sequence[int]) -> list[int]:
        return ledger.cases.assign(session, stage, ids, owner, due_at)

    return _each(context, keys, actor, "assign", act, _given, owner=owner, due=due)


def archive(context: Context, keys: Sequence[FailureKey], actor: Actor) -> list[FailureKey]:
    """Take cases off the lists; their rows stay parked, nothing is lost. Returns those that were open."""
    return _moved(context, keys, actor, "archive", "open", "archived")


def restore(context: Context, keys: Sequence[FailureKey], actor: Actor) -> list[FailureKey]:
    """Put archived cases back on the lists. Returns those that were archived."""
    return _moved(context, keys, actor, "restore", "archived", "open")


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
        job = ledger.jobs.find(session, job_id, lock=True)
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
        subject, was = f"job {job_id}", {"state": job.state}
        ledger.actions.record(session, actor, verb, [subject] if done else [], now, before={subject: was}, state=values["state"])
    return done


_STEERING: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "pause": (("running",), {"state": "paused"}),
    "resume": (("paused", "halted"), {"state": "running"}),
    "stop": (("running", "paused", "halted"), {"state": "stopped"}),
}


def _moved(context: Context, keys: Sequence[FailureKey], actor: Actor, verb: str, before: str, after: str) -> list[FailureKey]:
    def stood(_: Session, stage: Stage, ids: Sequence[int]) -> dict[str, dict[str, object]]:
        return {str(FailureKey(stage, row_id)): {"state": before} for row_id in ids}

    def act(session: Session, stage: Stage, ids: Sequence[int]) -> list[int]:
        return ledger.cases.move(session, stage, ids, before, after)

    return _each(context, keys, actor, verb, act, stood, state=after)


def _given(session: Session, stage: Stage, ids: Sequence[int]) -> dict[str, dict[str, object]]:
    """Who has each case, and until when; None where the rules say."""
    given = ledger.cases.given(session, stage, ids)
    return {
        str(FailureKey(stage, row_id)): {"owner": owner, "due": due_at.isoformat() if due_at else None}
        for row_id, (owner, due_at) in given.items()
    }


def _each(
    context: Context, keys: Sequence[FailureKey], actor: Actor, verb: str, act: Act, stood: Stood, **detail: object
) -> list[FailureKey]:
    met: list[FailureKey] = []
    before: dict[str, dict[str, object]] = {}
    with context.ledger.write() as session:
        for stage, some in groupby(sorted(keys, key=lambda key: (key.stage, key.id)), key=lambda key: key.stage):
            ids = [key.id for key in some]
            before |= stood(session, stage, ids)
            met += [FailureKey(stage, row_id) for row_id in sorted(act(session, stage, ids))]
        ledger.actions.record(session, actor, verb, [str(key) for key in met], context.now(), before=before, **detail)
    return met
