"""Remembers what did not fit in settlements, for people: what is open, what was explained, and by whom."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select, update

from ledger.session import Session
from ledger.settlement_schema import payout_lines, payout_parts, reckonings, settlement_findings
from ledger.settlements import amount_of
from ledger.standing import is_state

MOST_OF_ONE = 500
"""Findings of one order or payout that are shown."""


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding. ``about`` an order or a payout, ``key`` its key, ``line`` the row of the payout for what is said of one row.

    ``expected`` by what is known, ``told`` by the payouts, ``difference`` between them; None where there is nothing to compare.
    """

    id: int
    state: str
    reason: str
    about: str
    source: str
    key: str
    line: str
    currency: str
    expected: Decimal | None
    told: Decimal | None
    difference: Decimal | None
    opened_at: datetime
    resolved_at: datetime | None
    explained_at: datetime | None
    explained_by: str | None
    why: str | None


def listed(
    session: Session, most: int, *, state: str = "open", source: str | None = None, reason: str | None = None
) -> list[FindingView]:
    """Findings in a state: open ones the oldest first, others the newest first."""
    c = settlement_findings.c
    query = _views().where(is_state(c.state, state)).limit(most)
    query = query.order_by(c.opened_at, c.id) if state == "open" else query.order_by(c.opened_at.desc())
    wanted: list[ColumnElement[bool]] = []
    if source is not None:
        wanted.append(c.source == source)
    if reason is not None:
        wanted.append(c.reason == reason)
    return [_view(row) for row in session.execute(query.where(*wanted))]


def find(session: Session, finding_id: int) -> FindingView | None:
    """One finding."""
    row = session.execute(_views().where(settlement_findings.c.id == finding_id)).first()
    return _view(row) if row else None


def of(session: Session, about: str, source: str, key: str) -> list[FindingView]:
    """What was found of one order or payout, resolved or not, the oldest first."""
    c = reckonings.c
    mine = _views().where(c.kind == about, c.source == source, c.key == key).order_by(settlement_findings.c.id)
    return [_view(row) for row in session.execute(mine.limit(MOST_OF_ONE))]


def of_orders_in(session: Session, source: str, payout: str) -> list[FindingView]:
    """What was found of the orders that a payout names, resolved or not."""
    parts, lines, c = payout_parts.c, payout_lines.c, reckonings.c
    named = (
        select(lines.order_source, lines.order_key)
        .join(payout_parts, parts.document_id == lines.document_id)
        .where(parts.payout == payout, parts.source == source, lines.order_key.is_not(None))
        .distinct()
        .subquery()
    )
    query = _views().join(named, (c.key == named.c.order_key) & (c.source == named.c.order_source))
    return [_view(row) for row in session.execute(query.where(c.kind == "order").limit(MOST_OF_ONE))]


def explain(session: Session, finding_id: int, by: str, why: str, now: datetime) -> bool:
    """Take an open finding for explained; False if it is not open. What it is of is compared again, which keeps its state."""
    c = settlement_findings.c
    taken = session.execute(
        update(settlement_findings)
        .where(c.id == finding_id, c.state == "open")
        .values(state="explained", explained_at=now, explained_by=by, why=why)
        .returning(c.reckoning_id)
    ).first()
    if taken is None:
        return False
    session.execute(update(reckonings).where(reckonings.c.id == taken.reckoning_id).values(due_at=now))
    return True


def _views() -> Select[Any]:
    c, of_what = settlement_findings.c, reckonings.c
    return select(settlement_findings, of_what.kind, of_what.key).join(reckonings, of_what.id == c.reckoning_id)


def _view(row: Row[Any]) -> FindingView:
    expected, told, difference = (
        None if micros is None else amount_of(micros, row.currency)
        for micros in (row.expected_micros, row.told_micros, row.difference_micros)
    )
    return FindingView(
        row.id, row.state, row.reason, row.kind, row.source, row.key, row.line, row.currency, expected, told, difference,
        row.opened_at, row.resolved_at, row.explained_at, row.explained_by, row.why,
    )  # fmt: skip
