"""Remembers how settlements stand, in figures: mismatches found lately, those open, what they come to, what was reconciled.

Cheap at any size of the ledger: of each at most MOST_COUNTED rows are looked at, out of an index. A channel is a source.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import case, func, select

from ledger.session import Session
from ledger.settlement_schema import OPEN, reckonings, settlement_findings
from ledger.settlements import amount_of, micros_of, summed
from ledger.standing import is_state

MOST_COUNTED = 5_000


@dataclass(frozen=True, slots=True)
class Found:
    """Findings of one channel and reason, and since when the oldest of them is there."""

    channel: str
    reason: str
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """What the open findings of one channel come to in one currency: the sum of their differences, each without its sign."""

    channel: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Sales and refunds of one channel that were compared: ``matched`` of ``lines`` belong to what fits."""

    channel: str
    lines: int
    matched: int


def mismatches(session: Session, since: datetime) -> list[Found]:
    """What was found since then, open, explained or resolved by now: the newest MOST_COUNTED."""
    c = settlement_findings.c
    lately = select(c.source, c.reason, c.opened_at).where(c.opened_at >= since).order_by(c.opened_at.desc())
    some = lately.limit(MOST_COUNTED).subquery()
    by = (some.c.source, some.c.reason)
    return [Found(*row) for row in session.execute(select(*by, func.count(), func.min(some.c.opened_at)).group_by(*by))]


def exceptions(session: Session) -> tuple[list[Found], list[Difference]]:
    """What is open: the oldest MOST_COUNTED, by reason and by what they come to."""
    c = settlement_findings.c
    named = (c.source, c.reason, c.currency, c.difference_micros, c.opened_at)
    some = select(*named).where(is_state(c.state, "open"), OPEN).order_by(c.opened_at).limit(MOST_COUNTED).subquery()
    by = (some.c.source, some.c.reason)
    found = [Found(*row) for row in session.execute(select(*by, func.count(), func.min(some.c.opened_at)).group_by(*by))]
    money = (some.c.source, some.c.currency)
    sums = select(*money, *summed(func.abs(some.c.difference_micros))).where(some.c.difference_micros.is_not(None))
    rows = session.execute(sums.group_by(*money))
    return found, [Difference(source, currency, amount_of(micros_of(*sums), currency)) for source, currency, *sums in rows]


def reconciled(session: Session, since: datetime) -> list[Reconciled]:
    """Of the orders and payouts told since then and compared, the newest MOST_COUNTED: how many of their lines fit."""
    c = reckonings.c
    lately = select(c.source, c.state, c.lines).where(c.told_at >= since).order_by(c.told_at.desc()).limit(MOST_COUNTED)
    some = lately.subquery()
    matched = func.sum(case((some.c.state == "matched", some.c.lines), else_=0))
    query = select(some.c.source, func.sum(some.c.lines), matched).where(some.c.state != "told").group_by(some.c.source)
    return [Reconciled(source, int(lines), int(fits)) for source, lines, fits in session.execute(query)]
