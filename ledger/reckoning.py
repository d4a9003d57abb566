"""Remembers what is to be compared and what came of it: what is due, all that is known of it, findings opened and closed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Executable, Row, func, select, update

from canonical.kinds import read_document
from canonical.order import Order
from canonical.returns import Return
from ledger.many import among, change, insert, keys, one_of
from ledger.schema import documents, versions
from ledger.session import Session
from ledger.settlement_schema import DUE, NOBODYS, payout_lines, reckonings, settlement_findings
from ledger.settlements import COMPARED, amount_of, micros, micros_of, summed

_LINE_ORDER = (payout_lines.c.order_source, payout_lines.c.order_key)
_DOCUMENT = (documents.c.kind, documents.c.source, documents.c.key)
_OF_ORDER = (documents.c.source, documents.c.order_key)

Named = tuple[str, str]
"""Source and key of an order."""


@dataclass(frozen=True, slots=True)
class Due:
    """An order or payout that is to be compared, locked."""

    id: int
    kind: str
    source: str
    key: str
    state: str
    tries: int


@dataclass(frozen=True, slots=True)
class PaidLines:
    """Of one order in one currency: the sums of its sales and refunds (None without any), and how many lines they are."""

    currency: str
    sale: Decimal | None
    refund: Decimal | None
    lines: int
    returns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NobodysLine:
    """A sale or refund of a payout that names no order."""

    key: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class NewFinding:
    """What does not fit of a reckoning: see `routing.reconcile.Finding`."""

    reckoning_id: int
    source: str
    reason: str
    line: str
    currency: str
    expected: Decimal | None
    told: Decimal | None
    difference: Decimal | None


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What came of one comparison: what does not fit, and what it is from then on."""

    id: int
    findings: Sequence[NewFinding]


@dataclass(frozen=True, slots=True)
class Changed:
    """How many findings a round opened (or opened again) and closed."""

    opened: int
    closed: int


def any_due(session: Session, now: datetime) -> bool:
    """Whether there is something to compare."""
    c = reckonings.c
    return session.execute(select(c.id).where(c.due_at <= now, DUE).limit(1)).first() is not None


def take_due(session: Session, now: datetime, most: int, only: int | None = None) -> list[Due]:
    """What waits longest to be compared, locked; what another process has is left to it. ``only``: that one, if it is due."""
    c = reckonings.c
    query = select(c.id, c.kind, c.source, c.key, c.state, c.tries).where(c.due_at <= now, DUE).order_by(c.due_at).limit(most)
    if only is not None:
        query = query.where(c.id == only)
    return [Due(*row) for row in session.execute(query.with_for_update(skip_locked=True))]


def paid_for(session: Session, orders: Sequence[Named]) -> dict[Named, list[PaidLines]]:
    """What all payouts say of these orders' sales and refunds, by currency."""
    if not orders:
        return {}
    dialect = session.dialect.name
    found: dict[Named, dict[str, list[Row[Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in session.execute(_paid(dialect), keys(dialect, _LINE_ORDER, sorted(set(orders)))):
        found[row.order_source, row.order_key][row.currency].append(row)
    return {order: [_paid_lines(*one) for one in sorted(rows.items())] for order, rows in found.items()}


def known_orders(session: Session, orders: Sequence[Named]) -> dict[Named, Order]:
    """The newest told state of those of these orders that were told."""
    if not orders:
        return {}
    dialect = session.dialect.name
    given = keys(dialect, _DOCUMENT, [("order", *order) for order in sorted(set(orders))])
    told = (read_document(row.body) for row in session.execute(_orders(dialect), given))
    return {(one.source, one.key): one for one in told if isinstance(one, Order)}


def known_returns(session: Session, orders: Sequence[Named]) -> dict[Named, list[Return]]:
    """The returns that were told of these orders."""
    if not orders:
        return {}
    dialect = session.dialect.name
    found: dict[Named, list[Return]] = defaultdict(list)
    for row in session.execute(_returns(dialect), keys(dialect, _OF_ORDER, sorted(set(orders)))):
        one = read_document(row.body)
        if isinstance(one, Return):
            found[one.source, one.order_key].append(one)
    return found


def nobodys_lines(session: Session, document_ids: Sequence[int]) -> dict[int, list[NobodysLine]]:
    """Sales and refunds without an order, by document."""
    c = payout_lines.c
    mine = one_of(session.dialect.name, c.document_id, "ids")
    query = select(c.document_id, c.key, c.currency, c.amount_micros).where(mine, NOBODYS).order_by(c.id)
    found: dict[int, list[NobodysLine]] = defaultdict(list)
    for row in session.execute(query, {"ids": list(document_ids)}):
        found[row.document_id].append(NobodysLine(row.key, row.currency, amount_of(row.amount_micros, row.currency)))
    return found


def write(session: Session, reckoned: Sequence[Reckoned], now: datetime) -> tuple[Changed, dict[int, str]]:
    """Open what does not fit, close what fits by now; returns how many, and the state of each reckoning by id.

    A finding whose amounts are other ones than those that were explained is open again: another thing was explained.
    """
    known = _findings(session, [one.id for one in reckoned])
    fresh, again, other = [], [], []
    states: dict[int, str] = {}
    met: set[int] = set()
    for one in reckoned:
        standing = set()
        for finding in one.findings:
            row = known.get((one.id, finding.reason, finding.line, finding.currency))
            alike = row is not None and _amounts_of(row) == _amounts(finding)
            standing.add("explained" if row is not None and row.state == "explained" and alike else "differs")
            if row is None:
                fresh.append(_values(finding) | {"state": "open", "opened_at": now})
                continue
            met.add(row.id)
            if row.state == "resolved" or (row.state == "explained" and not alike):
                again.append({"id": row.id} | _amounts(finding))
            elif not alike:
                other.append({"id": row.id} | _amounts(finding))
        states[one.id] = next((state for state in ("differs", "explained") if state in standing), "matched")
    over = [{"id": row.id} for row in known.values() if row.id not in met and row.state != "resolved"]
    insert(session, settlement_findings, fresh)
    anew = {"state": "open", "opened_at": now, "resolved_at": None, "explained_at": None, "explained_by": None, "why": None}
    change(session, settlement_findings, again, by=("id",), alike=anew)
    change(session, settlement_findings, other, by=("id",))
    change(session, settlement_findings, over, by=("id",), alike={"state": "resolved", "resolved_at": now})
    return Changed(len(fresh) + len(again), len(over)), states


def put_off(session: Session, reckoning_id: int, until: datetime) -> None:
    """Leave one alone until then."""
    session.execute(update(reckonings).where(reckonings.c.id == reckoning_id).values(due_at=until))


def note(session: Session, rows: Sequence[Mapping[str, object]], now: datetime) -> None:
    """Note what was compared: rows of ``id``, ``state``, ``lines``, ``tries`` and ``due_at`` (None: not by itself)."""
    change(session, reckonings, rows, by=("id",), alike={"reckoned_at": now})


def _paid_lines(currency: str, rows: Sequence[Row[Any]]) -> PaidLines:
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        sums[row.type] += micros_of(row.units, row.rest)
    sale, refund = (amount_of(sums[kind], currency) if kind in sums else None for kind in COMPARED)
    named = tuple(sorted({row.return_key for row in rows if row.return_key is not None and row.type == "refund"}))
    return PaidLines(currency, sale, refund, sum(row.lines for row in rows), named)


def _findings(session: Session, ids: list[int]) -> dict[tuple[int, str, str, str], Row[Any]]:
    c = settlement_findings.c
    query = select(settlement_findings).where(one_of(session.dialect.name, c.reckoning_id, "ids"))
    return {(row.reckoning_id, row.reason, row.line, row.currency): row for row in session.execute(query, {"ids": ids})}


def _values(finding: NewFinding) -> dict[str, object]:
    told = {name: getattr(finding, name) for name in ("reckoning_id", "source", "reason", "line", "currency")}
    return told | _amounts(finding)


def _amounts(finding: NewFinding) -> dict[str, object]:
    names = ("expected", "told", "difference")
    return {f"{name}_micros": _maybe(getattr(finding, name)) for name in names}


def _amounts_of(row: Row[Any]) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("expected_micros", "told_micros", "difference_micros")}


def _maybe(amount: Decimal | None) -> int | None:
    return None if amount is None else micros(amount)


@cache
def _paid(dialect: str) -> Executable:
    c = payout_lines.c
    by = (c.order_source, c.order_key, c.currency, c.type, c.return_key)
    units, rest = summed(c.amount_micros)
    sums = (units.label("units"), rest.label("rest"), func.count().label("lines"))
    return select(*by, *sums).where(among(dialect, _LINE_ORDER), c.order_key.is_not(None), c.type.in_(COMPARED)).group_by(*by)


@cache
def _orders(dialect: str) -> Executable:
    newest = (versions.c.document_id == documents.c.id) & (versions.c.version == documents.c.version)
    return select(versions.c.body).select_from(documents).join(versions, newest).where(among(dialect, _DOCUMENT))


@cache
def _returns(dialect: str) -> Executable:
    newest = (versions.c.document_id == documents.c.id) & (versions.c.version == documents.c.version)
    mine = select(versions.c.body).select_from(documents).join(versions, newest)
    return mine.where(among(dialect, _OF_ORDER), documents.c.kind == "return")
