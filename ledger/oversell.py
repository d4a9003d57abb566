"""Remembers what was sold and was not there: orders cancelled for want of stock, and positions that were told below zero."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, Select, cast, delete, func, select

from ledger.business import MOST_COUNTED, text_of
from ledger.many import insert
from ledger.schema import documents, versions
from ledger.session import Session
from ledger.stock_schema import OVERSOLD_ROWS, stock_cancellations

KEPT_FOR = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Of one channel: orders told since ``since``, and orders cancelled for want of stock since then."""

    channel: str
    told: int
    cancelled: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Oversold:
    """Positions of one channel that were last told below zero, and how many pieces are missing in them together."""

    channel: str
    positions: int
    pieces: int
    more: bool


@dataclass(frozen=True, slots=True)
class Short:
    """One position that was last told below zero."""

    channel: str
    sku: str
    location: str
    available: int
    counted_at: datetime


def note(session: Session, cancelled: Iterable[tuple[int, str]], taken_back: Iterable[int], now: datetime) -> None:
    """Note orders (document and source) cancelled for want of stock, once each; forget those that are not any more."""
    rows: list[dict[str, object]] = [
        {"document_id": document_id, "source": source, "told_at": now} for document_id, source in cancelled
    ]
    insert(session, stock_cancellations, rows, once=("document_id",))
    gone = list(taken_back)
    if gone:
        session.execute(delete(stock_cancellations).where(stock_cancellations.c.document_id.in_(gone)))


def forget(session: Session, now: datetime) -> None:
    """Drop what no window reaches back to any more."""
    session.execute(delete(stock_cancellations).where(stock_cancellations.c.told_at < now - KEPT_FOR))


def cancelled(session: Session, since: datetime) -> list[tuple[str, int]]:
    """Orders cancelled for want of stock since then, by channel, up to MOST_COUNTED of them, the newest."""
    c = stock_cancellations.c
    some = select(c.source).where(c.told_at >= since).order_by(c.told_at.desc()).limit(MOST_COUNTED).subquery()
    rows = session.execute(select(some.c.source, func.count()).group_by(some.c.source).order_by(some.c.source))
    return [(source, count) for source, count in rows]


def rates(session: Session, since: datetime) -> list[Cancelled]:
    """Orders told and orders cancelled for want of stock since then, by channel that told an order.

    Of the newest MOST_COUNTED documents: where there are more, ``since`` is when the first of those was told, for both.
    """
    d, first = documents.c, versions.alias("first")
    latest = select(d.id, d.source, d.kind).order_by(d.id.desc()).limit(MOST_COUNTED).subquery("latest")
    # A document that something waits for, and nobody has told, has no version yet.
    some = (
        select(latest.c.source, latest.c.kind, first.c.written_at)
        .outerjoin(first, (first.c.document_id == latest.c.id) & (first.c.version == 1))
        .subquery("told")
    )
    looked, began_at = session.execute(select(func.count(), func.min(some.c.written_at))).one()
    began = max(since, began_at) if looked == MOST_COUNTED and began_at else since
    query = (
        select(some.c.source, func.count())
        .where(some.c.kind == "order", some.c.written_at >= began)
        .group_by(some.c.source)
        .order_by(some.c.source)
    )
    lost = dict(cancelled(session, began))
    return [Cancelled(channel, count, lost.get(channel, 0), began) for channel, count in session.execute(query)]


def oversold(session: Session) -> list[Oversold]:
    """Positions below zero by channel, up to MOST_COUNTED."""
    some = _short(session).limit(MOST_COUNTED).subquery()
    looked = select(func.count()).select_from(some).scalar_subquery()
    query = (
        select(some.c.source, func.count(), func.sum(-some.c.available), looked)
        .where(some.c.available < 0)
        .group_by(some.c.source)
        .order_by(some.c.source)
    )
    return [
        Oversold(channel, count, int(pieces), size >= MOST_COUNTED) for channel, count, pieces, size in session.execute(query)
    ]


def shortest(session: Session, channels: Sequence[str], most: int) -> list[Short]:
    """Positions below zero of these channels, those that lack most first, of MOST_COUNTED."""
    some = _short(session).where(documents.c.source.in_(channels)).limit(MOST_COUNTED).subquery()
    query = (
        select(some.c.source, some.c.key, some.c.available, some.c.as_of)
        .where(some.c.available < 0)
        .order_by(some.c.available, some.c.source, some.c.key)
        .limit(most)
    )
    found = []
    for channel, key, available, as_of in session.execute(query):
        sku, _, location = key.rpartition("@")
        found.append(Short(channel, sku, location, available, as_of))
    return found


def _short(session: Session) -> Select[*tuple[Any, ...]]:
    """Positions noted as below zero with what their newest version says: a person may have edited it since."""
    available = cast(text_of(versions.c.body, "available", lite=session.dialect.name == "sqlite"), Integer)
    d = documents.c
    return (
        select(d.source, d.key, d.as_of, available.label("available"))
        .join(versions, (versions.c.document_id == d.id) & (versions.c.version == d.version))
        .where(OVERSOLD_ROWS)
    )
