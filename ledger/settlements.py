"""Remembers what payouts told: their parts, their lines by order, and that both are to be compared with what is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, Row, delete, func, select

from canonical.money import in_minor_digits
from canonical.settlement import Settlement
from ledger.cases import MICROS
from ledger.many import among, change, insert, keys, one_of
from ledger.session import Session
from ledger.settlement_schema import payout_lines, payout_parts, reckonings

MOST_LINES_SHOWN = 500
COMPARED = ("sale", "refund")
_MOST_MICROS = 2**63 - 1
_PAYOUT = (payout_parts.c.source, payout_parts.c.payout)


@dataclass(frozen=True, slots=True)
class ToldPart:
    """A new version of a settlement that was written. ``order_source``: whose orders its lines are about."""

    document_id: int
    document: Settlement
    order_source: str


@dataclass(frozen=True, slots=True)
class ToldOf:
    """One told part of a payout, with the sum of its ``lines`` lines."""

    document_id: int
    number: int
    parts: int
    currency: str
    total: Decimal
    lines_total: Decimal
    lines: int
    paid_at: datetime
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as its told parts say. ``parts_told`` of ``parts`` are there; their lines add up to ``lines_total``."""

    source: str
    payout: str
    paid_at: datetime
    currency: str
    total: Decimal
    lines_total: Decimal
    lines: int
    parts_told: int
    parts: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a payout."""

    source: str
    payout: str
    key: str
    type: str
    order_source: str
    order_key: str | None
    return_key: str | None
    currency: str
    amount: Decimal
    paid_at: datetime


def tell(session: Session, told: Sequence[ToldPart], now: datetime) -> None:
    """Write what new versions of settlements say in place of what they said before, and have it compared.

    In the transaction that writes the versions, under the locks of their documents; of two versions of one document the last.
    """
    newest = {one.document_id: one for one in told}
    if not newest:
        return
    wanted = {("order", *order) for order in _orders_of(session, list(newest))}
    for table in (payout_lines, payout_parts):
        mine = one_of(session.dialect.name, table.c.document_id, "ids")
        session.execute(delete(table).where(mine), {"ids": list(newest)})
    insert(session, payout_parts, [_part_values(one) for one in newest.values()])
    insert(session, payout_lines, [_line_values(one, n) for one in newest.values() for n in range(len(one.document.lines))])
    wanted |= {("payout", one.document.source, one.document.payout) for one in newest.values()}
    call_for(session, wanted | {("order", *order) for order in _orders_of(session, list(newest))}, now)


def call_for(session: Session, wanted: Iterable[tuple[str, str, str]], now: datetime) -> None:
    """Have these (kind, source, key) compared now, from the start of their waits."""
    # One order of locks for all who write here: two parts of one payout name the same orders.
    rows = [{"kind": kind, "source": source, "key": key} for kind, source, key in sorted(set(wanted))]
    new = {"state": "told", "lines": 0, "told_at": now, "tries": 0}
    insert(session, reckonings, [row | new for row in rows], once=("key", "source", "kind"))
    change(session, reckonings, rows, by=("kind", "source", "key"), alike={"due_at": now, "told_at": now, "tries": 0})


def payouts(session: Session, most: int) -> list[Payout]:
    """The payouts paid last, newest first: those of the ``most`` parts paid last."""
    c = payout_parts.c
    latest = session.execute(select(c.source, c.payout).order_by(c.paid_at.desc()).limit(most))
    named = list(dict.fromkeys((source, payout) for source, payout in latest))
    parts = parts_of(session, named)
    return [_payout(source, key, parts[source, key]) for source, key in named]


def payout(session: Session, key: str) -> list[Payout]:
    """The payouts of that id, one a source that told it."""
    c = payout_parts.c
    sources = sorted(set(session.execute(select(c.source).where(c.payout == key)).scalars()))
    return [_payout(*named, parts) for named, parts in parts_of(session, [(source, key) for source in sources]).items()]


def parts_of(session: Session, named: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[ToldOf]]:
    """The told parts of payouts by source and id, of each the one told last first."""
    if not named:
        return {}
    dialect = session.dialect.name
    found: dict[tuple[str, str], list[ToldOf]] = {}
    for row in session.execute(_parts(dialect), keys(dialect, _PAYOUT, sorted(set(named)))):
        found.setdefault((row.source, row.payout), []).append(_told_of(row))
    return {name: sorted(parts, key=lambda part: (part.as_of, part.number), reverse=True) for name, parts in found.items()}


def sums_by_type(session: Session, source: str, key: str) -> list[tuple[str, str, int, Decimal]]:
    """Type, currency, number and sum of a payout's lines."""
    parts, lines = payout_parts.c, payout_lines.c
    query = (
        select(lines.type, lines.currency, func.count(), *summed(lines.amount_micros))
        .join(payout_parts, parts.document_id == lines.document_id)
        .where(parts.payout == key, parts.source == source)
        .group_by(lines.type, lines.currency)
    )
    rows = session.execute(query)
    return sorted((kind, currency, n, amount_of(micros_of(*sums), currency)) for kind, currency, n, *sums in rows)


def lines_of_order(session: Session, source: str, order_key: str) -> list[Line]:
    """What was paid, kept and given back for an order by every payout, the first paid first, at most MOST_LINES_SHOWN."""
    lines, parts = payout_lines.c, payout_parts.c
    query = (
        select(payout_lines, parts.source, parts.payout, parts.paid_at)
        .join(payout_parts, parts.document_id == lines.document_id)
        .where(lines.order_key == order_key, lines.order_source == source)
        .limit(MOST_LINES_SHOWN)
    )
    found = [
        Line(r.source, r.payout, r.key, r.type, r.order_source, r.order_key, r.return_key, r.currency,
             amount_of(r.amount_micros, r.currency), r.paid_at)
        for r in session.execute(query)
    ]  # fmt: skip
    return sorted(found, key=lambda line: (line.paid_at, line.payout, line.key))


def micros(amount: Decimal) -> int:
    """An amount in millionths: an exact whole number on both databases. A sum beyond what a column holds is the most it holds,
    which is far above any amount that could be told for the whole, so it never looks right.
    """
    return max(-_MOST_MICROS, min(_MOST_MICROS, int(amount * MICROS)))


def summed(column: ColumnElement[int]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """The sum of a column of millionths in two parts, whole units and the rest: SQLite has no whole number for the largest."""
    return func.sum(column.op("/", return_type=column.type)(MICROS)), func.sum(column % MICROS)


def micros_of(units: int | Decimal, rest: int | Decimal) -> int:
    """The millionths of `summed`."""
    return int(units) * MICROS + int(rest)


def amount_of(told: int | Decimal, currency: str) -> Decimal:
    """The amount of so many millionths, with the currency's decimals or as many more as it has."""
    exact = (Decimal(told) / MICROS).normalize()
    usual = in_minor_digits(exact, currency)
    return usual if usual == exact else exact


def _orders_of(session: Session, document_ids: list[int]) -> set[tuple[str, str]]:
    c = payout_lines.c
    mine = one_of(session.dialect.name, c.document_id, "ids")
    query = select(c.order_source, c.order_key).where(mine, c.order_key.is_not(None), c.type.in_(COMPARED)).distinct()
    return {(source, key) for source, key in session.execute(query, {"ids": document_ids})}


def _part_values(one: ToldPart) -> dict[str, object]:
    document = one.document
    return {
        "document_id": one.document_id,
        "source": document.source,
        "payout": document.payout,
        "part": document.part,
        "parts": document.parts,
        "currency": document.currency,
        "total_micros": micros(document.total),
        "lines_micros": micros(document.lines_total),
        "lines": len(document.lines),
        "period_from": document.period_from,
        "period_to": document.period_to,
        "paid_at": document.paid_at,
        "as_of": document.as_of,
    }


def _line_values(one: ToldPart, number: int) -> dict[str, object]:
    line = one.document.lines[number]
    return {
        "document_id": one.document_id,
        "key": line.key,
        "type": line.type,
        "order_source": one.order_source,
        "order_key": line.order_key,
        "return_key": line.return_key,
        "currency": one.document.currency,
        "amount_micros": micros(line.amount),
    }


def _told_of(row: Row[Any]) -> ToldOf:
    total, lines = (amount_of(micros, row.currency) for micros in (row.total_micros, row.lines_micros))
    return ToldOf(row.document_id, row.part, row.parts, row.currency, total, lines, row.lines, row.paid_at, row.as_of)


def _payout(source: str, key: str, parts: Sequence[ToldOf]) -> Payout:
    head, lines = parts[0], sum(part.lines for part in parts)
    lines_total = sum((part.lines_total for part in parts), Decimal(0))
    return Payout(source, key, head.paid_at, head.currency, head.total, lines_total, lines, len(parts), head.parts)


@cache
def _parts(dialect: str) -> Executable:
    return select(payout_parts).where(among(dialect, _PAYOUT))
