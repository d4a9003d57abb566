"""Remembers orders whose sender promised to reserve stock for them, from their telling until a reservation is told.

An order and its reservation both hold the order's lock when they come here, so neither misses the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, func, select, union_all

from ledger.business import MOST_COUNTED
from ledger.documents import DocumentKey
from ledger.many import among, insert, keys
from ledger.schema import documents
from ledger.session import Session
from ledger.stock_schema import unreserved_orders

WINDOW = timedelta(days=1)
"""How long past its promise an order is shown."""
KEPT_FOR = timedelta(days=3)
_RESERVED = (documents.c.order_key, documents.c.source)


@dataclass(frozen=True, slots=True)
class Unreserved:
    """Orders of one channel without a reservation past their promise; ``oldest_at``: when the oldest was told, None for none."""

    channel: str
    count: int
    more: bool
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Missing:
    """One of them."""

    channel: str
    key: str
    number: str | None
    told_at: datetime


def note(session: Session, told: Mapping[DocumentKey, int], settled: Iterable[int], now: datetime) -> None:
    """Note orders first told here, by key with their document, that no reservation is known for; forget those of documents that
    are settled: reserved or cancelled.
    """
    if told:
        reserved = _reserved(session, told)
        rows: list[dict[str, object]] = [
            {"document_id": document_id, "source": key.source, "told_at": now}
            for key, document_id in told.items()
            if (key.key, key.source) not in reserved
        ]
        insert(session, unreserved_orders, rows, once=("document_id",))
    gone = list(settled)
    if gone:
        session.execute(delete(unreserved_orders).where(unreserved_orders.c.document_id.in_(gone)))


def forget(session: Session, now: datetime) -> None:
    """Drop what no window reaches back to any more."""
    session.execute(delete(unreserved_orders).where(unreserved_orders.c.told_at < now - KEPT_FOR))


def without_reservation(session: Session, promises: Mapping[str, float], now: datetime) -> list[Unreserved]:
    """Orders that are past their channel's promise (seconds), by a day at most; each channel's oldest up to MOST_COUNTED."""
    found = []
    for channel, within_s in sorted(promises.items()):
        some = _past(channel, within_s, now).limit(MOST_COUNTED).subquery()
        count, oldest_at = session.execute(select(func.count(), func.min(some.c.told_at))).one()
        found.append(Unreserved(channel, count, count >= MOST_COUNTED, oldest_at))
    return found


def missing(session: Session, promises: Mapping[str, float], now: datetime, most: int) -> list[Missing]:
    """The same orders one by one, the oldest first."""
    if not promises:
        return []
    some = union_all(
        *(select(_past(channel, within_s, now).limit(most).subquery()) for channel, within_s in promises.items())
    ).subquery("past")
    query = (
        select(some.c.source, documents.c.key, documents.c.number, some.c.told_at)
        .join(documents, documents.c.id == some.c.document_id)
        .order_by(some.c.told_at, some.c.document_id)
        .limit(most)
    )
    return [Missing(*row) for row in session.execute(query)]


def _reserved(session: Session, told: Mapping[DocumentKey, int]) -> set[tuple[str, str]]:
    dialect = session.dialect.name
    query = select(*_RESERVED).where(among(dialect, _RESERVED), documents.c.kind == "reservation", documents.c.version > 0)
    return {(key, source) for key, source in session.execute(query, keys(dialect, _RESERVED, [(k.key, k.source) for k in told]))}


def _past(channel: str, within_s: float, now: datetime) -> Select[int, str, datetime]:
    c, due = unreserved_orders.c, now - timedelta(seconds=within_s)
    return (
        select(c.document_id, c.source, c.told_at)
        .where(c.source == channel, c.told_at <= due, c.told_at > due - WINDOW)
        .order_by(c.told_at)
    )
