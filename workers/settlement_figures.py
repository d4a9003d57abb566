"""Runs the figures of settlements: mismatches found, exceptions open, what they come to, what was reconciled."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ledger import settlement_figures
from ledger.session import Session
from telemetry.gauges import Reading

LATELY = timedelta(days=7)


def mismatches_of(session: Session, at: datetime) -> Iterable[Reading]:
    """What was found lately, and what fitted. Raises one of LedgerUnavailable."""
    for found in settlement_figures.mismatches(session, at - LATELY):
        yield Reading("millrace_settlement_mismatches", found.count, {"channel": found.channel, "reason": found.reason})
    for done in settlement_figures.reconciled(session, at - LATELY):
        if done.lines:
            yield Reading("millrace_settlement_reconciled_ratio", done.matched / done.lines, {"channel": done.channel})


def exceptions_of(session: Session, at: datetime) -> Iterable[Reading]:
    """What waits for a person, how long, and what it comes to; alerts are made of it. Raises one of LedgerUnavailable."""
    exceptions, differences = settlement_figures.exceptions(session)
    for found in exceptions:
        labels = {"channel": found.channel, "reason": found.reason}
        yield Reading("millrace_settlement_exceptions_open", found.count, labels)
        age_s = max(0.0, (at - found.oldest_at).total_seconds())
        yield Reading("millrace_settlement_exceptions_oldest_age_seconds", age_s, labels)
    for one in differences:
        yield Reading("millrace_settlement_difference", float(one.amount), {"channel": one.channel, "currency": one.currency})
