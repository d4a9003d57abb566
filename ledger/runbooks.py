"""Remembers runs of runbooks: what was given, each step with what it takes to take it back, and what was seen at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from ledger.runbook_schema import runbook_runs
from ledger.session import Session

Words = Mapping[str, Any]
"""Plain data, as JSON keeps it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``state`` is running, done, unverified (all steps were done, the effect was not seen), failed, undoing or undone.

    A step has ``kind``, ``values``, ``says``, ``state`` (planned, doing, done, undone, left), ``memo`` and ``told``.
    """

    id: int
    name: str
    state: str
    given: Words
    steps: Sequence[Words]
    checks: Sequence[Words]
    by: str
    why: str
    at: datetime
    ended_at: datetime | None
    undone_at: datetime | None


def begin(session: Session, name: str, given: Words, steps: Sequence[Words], by: str, why: str, now: datetime) -> int:
    """Write a run whose steps are planned; returns its id."""
    values = {"name": name, "state": "running", "given": dict(given), "steps": list(steps), "checks": []}
    statement = runbook_runs.insert().values(**values, by_whom=by[:120], why=why, at=now).returning(runbook_runs.c.id)
    return int(session.execute(statement).scalar_one())


def note(session: Session, run_id: int, **values: object) -> None:
    """Set columns of a run: state, steps, checks, ended_at, undone_at."""
    session.execute(update(runbook_runs).where(runbook_runs.c.id == run_id).values(**values))


def note_running(session: Session, run_id: int, **values: object) -> bool:
    """The same for who runs it; False, and nothing is set, if somebody takes it back meanwhile."""
    c = runbook_runs.c
    return session.execute(update(runbook_runs).where(c.id == run_id, c.state == "running").values(**values)).rowcount > 0


def take_back(session: Session, run_id: int) -> bool:
    """Say that a run is being taken back: who runs it does nothing more. False if it is undone already."""
    c = runbook_runs.c
    begun = update(runbook_runs).where(c.id == run_id, c.state != "undone").values(state="undoing")
    return session.execute(begun).rowcount > 0


def find(session: Session, run_id: int) -> Run | None:
    """One run."""
    row = session.execute(_query().where(runbook_runs.c.id == run_id)).first()
    return Run(*row) if row else None


def listed(session: Session, most: int) -> list[Run]:
    """Runs, newest first."""
    return [Run(*row) for row in session.execute(_query().order_by(runbook_runs.c.id.desc()).limit(most))]


def _query() -> Select[*tuple[Any, ...]]:
    c = runbook_runs.c
    return select(
        c.id, c.name, c.state, c.given, c.steps, c.checks, c.by_whom, c.why, c.at, c.ended_at, c.undone_at
    )  # fmt: skip
