"""Remembers how well it goes, for business users: time from channel to ERP, what replays achieve, what share is completed.

Each figure is of what happened lately, out of a bounded number of rows; its ``since`` is later than asked where there were more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select

from ledger.desk_schema import job_items, jobs
from ledger.failures import FailureKey
from ledger.schema import actions, deliveries, events
from ledger.session import Session
from ledger.standing import LATEST, SUCCESSES, latest_attempts

MOST_LOOKED_AT = 5_000


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the channel's telling to the ERP's taking, of ``count`` orders; None without any."""

    count: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Replays:
    """What was given back to work by people and jobs: done, failed again, still under way."""

    done: int
    failed: int
    under_way: int

    @property
    def rate(self) -> float | None:
        """Share of those that ended which are done; None if none ended."""
        ended = self.done + self.failed
        return self.done / ended if ended else None


@dataclass(frozen=True, slots=True)
class Completion:
    """Of the effects of one domain that were told since ``since``: how many are done, and how many need a person."""

    domain: str
    told: int
    done: int
    parked: int
    since: datetime

    @property
    def share(self) -> float | None:
        """Share of what was told that is done; None if nothing was told."""
        return self.done / self.told if self.told else None


def posting_latency(session: Session, since: datetime, operation: str = "order.create") -> Latency:
    """How long orders took to the ERP, of the latest that arrived there since then."""
    d, latest = deliveries.c, latest_attempts()
    query = (
        select(d.accepted_at, latest.c.ended_at)
        .join(latest, latest.c.delivery_id == d.id)
        .where(d.operation == operation, latest.c.ended_at >= since, latest.c.outcome.in_(SUCCESSES))
    )
    took_s = sorted(max(0.0, (ended - told).total_seconds()) for told, ended in session.execute(query))
    looked, first = session.execute(select(func.count(), func.min(latest.c.ended_at))).one()
    began = max(since, first) if looked == LATEST else since
    return Latency(len(took_s), quantile(took_s, 0.5), quantile(took_s, 0.95), quantile(took_s, 0.99), began)


def replay_success(session: Session, since: datetime) -> Replays:
    """What became of all that was given back to work since then: by jobs, and by hand where it is told among the latest deeds."""
    totals = {"done": 0, "failed": 0, "out": 0}
    recent = select(jobs.c.id).where(jobs.c.created_at >= since).order_by(jobs.c.id.desc()).limit(100)
    for job_id in session.execute(recent).scalars().all():
        for state in totals:
            some = select(job_items.c.row_id).where(job_items.c.job_id == job_id, job_items.c.state == state)
            counted = select(func.count()).select_from(some.limit(MOST_LOOKED_AT).subquery())
            totals[state] += session.execute(counted).scalar_one()
    by_hand = _states_of(session, _retried_by_hand(session, since))
    totals["failed"] += by_hand.pop("parked", 0)
    totals["done"] += sum(by_hand.pop(state, 0) for state in ("done", "stale", "redirected"))
    by_hand.pop("dropped", None)
    return Replays(totals["done"], totals["failed"], totals["out"] + sum(by_hand.values()))


def completion(session: Session, domains: Sequence[str], since: datetime) -> list[Completion]:
    """What share of what the channels told since then is done, by domain; of the latest effects where there are many."""
    d = deliveries.c
    latest = select(d.domain, d.state, d.accepted_at).order_by(d.id.desc()).limit(MOST_LOOKED_AT).subquery()
    looked, first = session.execute(select(func.count(), func.min(latest.c.accepted_at))).one()
    began = max(since, first) if looked == MOST_LOOKED_AT else since
    counts = (
        func.count(),
        func.sum(case((latest.c.state == "done", 1), else_=0)),
        func.sum(case((latest.c.state == "parked", 1), else_=0)),
    )
    wanted = latest.c.state.not_in(("dropped", "redirected")) & (latest.c.accepted_at >= began)
    query = select(latest.c.domain, *counts).where(wanted).group_by(latest.c.domain)
    sent = {row[0]: (row[1], int(row[2]), int(row[3])) for row in session.execute(query)}
    unread = _unread(session, domains, began)
    found = []
    for domain in domains:
        told, done, parked = sent.get(domain, (0, 0, 0))
        waiting, stuck = unread.get(domain, (0, 0))
        found.append(Completion(domain, told + waiting, done, parked + stuck, began))
    return found


def _unread(session: Session, domains: Sequence[str], since: datetime) -> dict[str, tuple[int, int]]:
    """Events that led to nothing yet, by domain: how many, and how many of them are parked."""
    e = events.c
    latest = select(e.domain, e.state, e.received_at).order_by(e.id.desc()).limit(MOST_LOOKED_AT).subquery()
    parked = func.sum(case((latest.c.state == "parked", 1), else_=0))
    query = (
        select(latest.c.domain, func.count(), parked)
        .where(latest.c.state.in_(("accepted", "waiting", "parked")), latest.c.received_at >= since)
        .group_by(latest.c.domain)
    )
    return {row[0]: (row[1], int(row[2])) for row in session.execute(query) if row[0] in domains}


def _retried_by_hand(session: Session, since: datetime) -> set[FailureKey]:
    a = actions.c
    latest = select(a.action, a.subject, a.reason, a.at, a.allowed).order_by(a.id.desc()).limit(MOST_LOOKED_AT).subquery()
    # A job's edits are its own: they are counted among its items.
    by_hand = latest.c.action.in_(("retry", "edit")) & ~latest.c.reason.startswith("job ") & latest.c.allowed
    query = select(latest.c.subject).where(by_hand, latest.c.at >= since)
    return {FailureKey.read(subject) for subject in session.execute(query).scalars()}


def _states_of(session: Session, keys: set[FailureKey]) -> dict[str, int]:
    found: dict[str, int] = {}
    for stage, table in (("delivery", deliveries), ("event", events)):
        ids: list[Any] = sorted(key.id for key in keys if key.stage == stage)
        for start in range(0, len(ids), 500):
            some = table.c.id.in_(ids[start : start + 500])
            for state, count in session.execute(select(table.c.state, func.count()).where(some).group_by(table.c.state)):
                found[state] = found.get(state, 0) + count
    return found


def quantile(ordered: Sequence[float], part: float) -> float | None:
    """Of ascending values the smallest value that ``part`` of the values do not exceed."""
    return ordered[max(0, -(-int(part * 1000) * len(ordered) // 1000) - 1)] if ordered else None
