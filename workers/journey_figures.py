"""Runs the figures of what happens to orders and returns outside: promises, cycle times, confirmations, return steps."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import get_args

from canonical.milestone import Step
from config.fleet import Fleet
from ledger import journey_figures, return_figures
from ledger.journey_figures import Standing, Took
from ledger.session import Session
from telemetry.gauges import Reading

A_DAY, A_WEEK = timedelta(days=1), timedelta(days=7)
RETURNS_SEEN = timedelta(days=60)
"""Returns whose last told step is older are no longer looked at."""


def journeys_of(session: Session, fleet: Fleet, at: datetime) -> Iterable[Reading]:
    """Every figure of journeys. Raises one of LedgerUnavailable."""
    yield from _promises(session, at)
    yield from _took("millrace_order_cycle", "channel", journey_figures.cycles(session, at - A_WEEK))
    yield from _took("millrace_warehouse_confirmation", "channel", journey_figures.confirmations(session, at - A_DAY))
    within_s = {name: source.confirms_within_s for name, source in fleet.sources.items() if source.confirms_within_s}
    yield from _standing("millrace_orders_unconfirmed", journey_figures.unconfirmed(session, within_s, at), at)
    for step, count in journey_figures.reached(session, get_args(Step), at - A_DAY).items():
        if count:
            yield Reading("millrace_milestones_reached", count, {"step": step})
    yield from _returns(session, fleet, at)


def _promises(session: Session, at: datetime) -> Iterable[Reading]:
    for one in journey_figures.promises(session, at - A_WEEK, at):
        labels = {"channel": one.channel}
        for result in ("kept", "late", "missing"):
            yield Reading("millrace_delivery_promises", getattr(one, result), {**labels, "result": result})
        yield Reading("millrace_delivery_on_time_ratio", one.kept / (one.kept + one.late + one.missing), labels)


def _returns(session: Session, fleet: Fleet, at: datetime) -> Iterable[Reading]:
    due = at - timedelta(seconds=fleet.service_levels.return_receipt_s)
    cases = return_figures.return_cases(session, at - RETURNS_SEEN, due)
    yield from _took("millrace_return_step", "step", return_figures.step_speeds(cases, at - A_WEEK))
    yield from _standing("millrace_refunds_before_credit", return_figures.refunds_before_credit(cases), at)
    yield from _standing("millrace_returns_not_received", return_figures.not_received(cases, due), at)


def _took(name: str, label: str, told: Sequence[Took]) -> Iterable[Reading]:
    for one in told:
        yield Reading(f"{name}_samples", one.count, {label: one.name})
        yield Reading(f"{name}_seconds", one.p50_s, {label: one.name, "percentile": "50"})
        yield Reading(f"{name}_seconds", one.p95_s, {label: one.name, "percentile": "95"})


def _standing(name: str, told: Sequence[Standing], at: datetime) -> Iterable[Reading]:
    for one in told:
        yield Reading(name, one.count, {"channel": one.channel})
        age_s = max(0.0, (at - one.oldest_at).total_seconds())
        yield Reading(f"{name}_oldest_age_seconds", age_s, {"channel": one.channel})
