"""Runs a runbook: checks, plans, does step by step, verifies, and takes back; each run is kept in the ledger."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import ledger.actions
import ledger.runbooks
from config.nearest import hint
from ledger.actions import Action, Actor
from ledger.runbooks import Run
from workers.runbooks.base import Check, Desk, Runbook, RunbookRefusedError, Step, Words
from workers.runbooks.lane_steps import Hold, SetLane, Source
from workers.runbooks.registry import RUNBOOKS
from workers.runbooks.row_steps import Assign, Move, Redirect, Replay, Retry

STEPS: Mapping[str, Callable[..., Step]] = {
    one.kind: one for one in (Hold, SetLane, Source, Move, Retry, Replay, Redirect, Assign)
}
LOOK_EVERY_S = 1.0

Tell = Callable[[str], None]


def find_book(name: str) -> Runbook:
    """A runbook by its name. Raises RunbookRefusedError naming the nearest."""
    if name not in RUNBOOKS:
        raise RunbookRefusedError(f"no runbook {name!r}; {hint(name, RUNBOOKS)}")
    return RUNBOOKS[name]


def given_of(book: Runbook, told: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a run: those told, and the defaults of the others. Raises RunbookRefusedError."""
    known = {parameter.name: parameter for parameter in book.parameters}
    for name in told:
        if name not in known:
            raise RunbookRefusedError(f"{book.name} knows no {name!r}; {hint(name, known)}")
    lacking = [name for name, parameter in known.items() if parameter.default is None and not told.get(name)]
    if lacking:
        raise RunbookRefusedError(f"{book.name} must be told {', '.join(f'--with {name}=...' for name in lacking)}")
    return {name: told.get(name) or parameter.default or "" for name, parameter in known.items()}


def run(desk: Desk, book: Runbook, given: Mapping[str, str], wait_s: float, tell: Tell, *, anyway: bool = False) -> Run:
    """Run a runbook; waits up to ``wait_s`` until its effect is seen. Raises RunbookRefusedError before anything is done where a
    precondition does not hold (``anyway``: all the same), and where the first step cannot be done.
    """
    lacking = [check for check in book.check(desk, given) if not check.ok]
    if lacking and not anyway:
        raise RunbookRefusedError("; ".join(f"{check.what}: {check.seen}" for check in lacking))
    steps = list(book.plan(desk, given))
    kept = [_planned(step) for step in steps]
    run_id = _begin(desk, book, given, kept, lacking)
    mine = replace(desk, actor=Actor(desk.actor.by, f"{desk.actor.why} (runbook {book.name}, run {run_id})", desk.actor.role))
    since = desk.now()
    for number, step in enumerate(steps):
        tell(f"{number + 1} of {len(steps)}: {step.says}")
        if not _note_own(desk, run_id, kept, number, state="doing"):
            raise RunbookRefusedError(f"run {run_id} is taken back by now: step {number + 1} and what follows was not done")
        try:
            memo = step.do(mine)
        except Exception as error:
            _note_own(desk, run_id, kept, number, state="left", told=str(error) or type(error).__name__)
            _end(desk, run_id, "failed")
            if isinstance(error, RunbookRefusedError):
                told = f"step {number + 1} was refused: {error}; millrace runbook undo {run_id} takes the steps before it back"
                raise RunbookRefusedError(told) from error
            raise
        if not _note_own(desk, run_id, kept, number, state="done", memo=dict(memo)):
            # Who took the run back saw this step begun and not what it did.
            told = step.undo(mine, memo)
            raise RunbookRefusedError(f"run {run_id} was taken back while step {number + 1} was under way, which is too: {told}")
    return _verified(mine, book, given, run_id, kept, since, wait_s, tell)


def undo(desk: Desk, run_id: int, tell: Tell, *, anyway: bool = False) -> Run:
    """Take the steps of a run back, the last one first. Raises RunbookRefusedError where that may not be now."""
    made = find_run(desk, run_id)
    if made.state == "undone":
        raise RunbookRefusedError(f"run {run_id} is undone already")
    lacking = [check for check in find_book(made.name).may_undo(desk, made.given) if not check.ok]
    if lacking and not anyway:
        raise RunbookRefusedError("; ".join(f"{check.what}: {check.seen}" for check in lacking))
    with desk.context.ledger.write() as session:
        if not ledger.runbooks.take_back(session, run_id):
            raise RunbookRefusedError(f"run {run_id} is undone already")
    kept = [dict(step) for step in find_run(desk, run_id).steps]
    mine = replace(desk, actor=Actor(desk.actor.by, f"{desk.actor.why} (undoing run {run_id})", desk.actor.role))
    for number in reversed(range(len(kept))):
        if kept[number]["state"] in ("done", "doing"):
            told = STEPS[kept[number]["kind"]](**kept[number]["values"]).undo(mine, kept[number]["memo"])
            _note_step(desk, run_id, kept, number, state="undone", told=told)
            tell(told)
    with desk.context.ledger.write() as session:
        ledger.runbooks.note(session, run_id, state="undone", undone_at=desk.now())
        told_steps = {"steps": [step["told"] for step in kept]}
        done = Action(
            desk.now(), desk.actor.by, "runbook.undo", f"runbook {run_id}", desk.actor.why, {}, told_steps, desk.actor.role
        )
        ledger.actions.write(session, done)
    return find_run(desk, run_id)


def find_run(desk: Desk, run_id: int) -> Run:
    """A run. Raises RunbookRefusedError if there is none."""
    with desk.context.ledger.read() as session:
        found = ledger.runbooks.find(session, run_id)
    if found is None:
        raise RunbookRefusedError(f"there is no run {run_id}; see millrace runbook runs")
    return found


def _planned(step: Step) -> dict[str, Any]:
    values = dict(step.words())
    return {"kind": step.kind, "values": values, "says": step.says, "state": "planned", "memo": {}, "told": ""}


def _begin(desk: Desk, book: Runbook, given: Mapping[str, str], kept: Sequence[Words], lacking: Sequence[Check]) -> int:
    now, actor = desk.now(), desk.actor
    with desk.context.ledger.write() as session:
        run_id = ledger.runbooks.begin(session, book.name, given, kept, actor.by, actor.why, now)
        after = {"given": dict(given), "steps": [step["says"] for step in kept], "in_spite_of": [one.what for one in lacking]}
        done = Action(now, actor.by, "runbook.run", f"runbook {run_id}", actor.why, {}, after, actor.role)
        ledger.actions.write(session, done)
    return run_id


def _note_own(desk: Desk, run_id: int, kept: list[dict[str, Any]], number: int, **values: object) -> bool:
    """Note a step of the run that is under way here; False if somebody takes it back meanwhile."""
    kept[number] |= values
    with desk.context.ledger.write() as session:
        return ledger.runbooks.note_running(session, run_id, steps=kept)


def _note_step(desk: Desk, run_id: int, kept: list[dict[str, Any]], number: int, **values: object) -> None:
    kept[number] |= values
    with desk.context.ledger.write() as session:
        ledger.runbooks.note(session, run_id, steps=kept)


def _end(desk: Desk, run_id: int, state: str, checks: Sequence[Check] = ()) -> None:
    with desk.context.ledger.write() as session:
        seen = [asdict(check) for check in checks]
        ledger.runbooks.note_running(session, run_id, state=state, checks=seen, ended_at=desk.now())


def _verified(
    desk: Desk, book: Runbook, given: Mapping[str, str], run_id: int, kept: Sequence[Words], since: datetime, wait_s: float,
    tell: Tell,
) -> Run:  # fmt: skip
    ends = time.monotonic() + wait_s
    told: list[Check] = []
    while True:
        checks = book.verify(desk, given, kept, since)
        for check in checks:
            if check.ok and not any(one.ok and one.what == check.what for one in told):
                tell(f"seen: {check.what}: {check.seen}")
        told = checks
        if all(check.ok for check in checks) or time.monotonic() >= ends:
            break
        time.sleep(LOOK_EVERY_S)
    _end(desk, run_id, "done" if all(check.ok for check in checks) else "unverified", checks)
    return find_run(desk, run_id)
