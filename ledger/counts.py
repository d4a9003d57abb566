"""Remembers what receiving sides believe that they can sell, compared with the position that was published to them.

A count is compared once, when it is read: with the newest position that its target had answered for some time before the count's
moment. Publishing a position costs nothing for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, get_args

from sqlalchemy import Executable, Select, and_, bindparam, case, exists, func, or_, select, union_all

from ledger.business import MOST_COUNTED
from ledger.many import change, insert
from ledger.schema import Utc, deliveries, documents, versions
from ledger.session import Session
from ledger.stock_schema import stock_counts

SETTLING = timedelta(seconds=10)
"""A receiving side answers when it has stored a position, not when it shows it: what it answered later than so long before a
count may be in it or not."""
LOOKED_BACK = 500
"""Versions of a position that are looked at, the newest first."""

Result = Literal["equal", "different", "on_the_way", "unpublished"]
RESULTS: tuple[Result, ...] = get_args(Result)
_OPEN = ("ready", "queued", "claimed", "retrying", "deferred", "waiting")


@dataclass(frozen=True, slots=True)
class Published:
    """What a target had of one SKU and place at a moment: the position's canonical JSON, None for none that it answered.

    ``on_the_way``: another one was told before that moment and answered after it, or not yet; what a count of that moment says
    can then not be compared.
    """

    body: str | None
    on_the_way: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """A count and what it was compared with; ``published`` None where it cannot be compared."""

    document_id: int
    target: str
    as_of: datetime
    believed: int
    published: int | None
    result: Result


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How the newest counts of one target stand to what was published there. ``over`` are the pieces that it believes to have
    beyond what was published, ``under`` those that it does not know of, each added up over SKUs and places.

    ``more``: there are more counts than were looked at, MOST_COUNTED, the newest.
    """

    target: str
    equal: int = 0
    different: int = 0
    on_the_way: int = 0
    unpublished: int = 0
    over: int = 0
    under: int = 0
    more: bool = False

    @property
    def ratio(self) -> float | None:
        """Part of what can be compared that is equal; None if nothing can."""
        comparable = self.equal + self.different
        return self.equal / comparable if comparable else None

    @property
    def mean_apart(self) -> float | None:
        """Pieces apart, whichever way, for each SKU and place that can be compared; None if none can."""
        comparable = self.equal + self.different
        return (self.over + self.under) / comparable if comparable else None


@dataclass(frozen=True, slots=True)
class Apart:
    """One SKU at one place of which a target believes something else than was published there."""

    target: str
    sku: str
    location: str
    believed: int
    published: int
    apart: int
    counted_at: datetime
    counted_by: str


def published(session: Session, target: str, key: str, at: datetime) -> Published:
    """What a target had of the position with this key at a moment, whichever source told it."""
    given = {"target": target, "key": key, "at": at, "settled_before": at - SETTLING}
    rows = session.execute(_published(), given).all()
    answered = max((row for row in rows if row.settled_at is not None), key=lambda row: row.settled_at, default=None)
    return Published(answered.body if answered else None, any(row.on_the_way for row in rows))


def put(session: Session, compared: Sequence[Compared], now: datetime) -> None:
    """Keep each count as it was compared in the place of the one before; the caller holds the locks of their documents."""
    rows: list[dict[str, object]] = [
        {
            "document_id": one.document_id,
            "target": one.target,
            "told_at": now,
            "as_of": one.as_of,
            "believed": one.believed,
            "published": one.published,
            "result": one.result,
        }
        for one in compared
    ]
    insert(session, stock_counts, rows, once=("document_id",))
    change(session, stock_counts, rows, by=("document_id",))


def accuracy(session: Session, targets: Sequence[str], since: datetime) -> list[Accuracy]:
    """How each target that somebody counts stands, by the newest counts told since then."""
    if not targets:
        return []
    found: dict[str, dict[str, int]] = {}
    for target, result, count, over, under in session.execute(union_all(*(_grouped(target, since) for target in targets))):
        known = found.setdefault(target, {"over": 0, "under": 0})
        known[result] = count
        known["over"] += int(over or 0)
        known["under"] += int(under or 0)
    return [
        Accuracy(target, **told, more=sum(told.get(result, 0) for result in RESULTS) >= MOST_COUNTED)
        for target, told in sorted(found.items())
    ]


def apart(session: Session, targets: Sequence[str], since: datetime, most: int) -> list[Apart]:
    """Of the newest counts told since then those that differ, the furthest apart first."""
    if not targets:
        return []
    some = union_all(*(select(_newest(target, since).subquery()) for target in targets)).subquery("newest")
    difference = some.c.believed - some.c.published
    query = (
        select(some.c.target, documents.c.key, some.c.believed, some.c.published, difference, some.c.as_of, documents.c.source)
        .join(documents, documents.c.id == some.c.document_id)
        .where(some.c.result == "different")
        .order_by(func.abs(difference).desc(), some.c.as_of.desc(), some.c.document_id)
        .limit(most)
    )
    found = []
    for target, key, *told in session.execute(query):
        sku, _, location = key.rpartition("@")
        found.append(Apart(target, sku, location, *told))
    return found


@cache
def _published() -> Executable:
    """Of each document of a position: when its newest delivery was answered in time, its body, and if one was on the way."""
    d, position = deliveries.c, documents.alias("position")
    mine = (
        d.document_id == position.c.id,
        d.version > position.c.version - LOOKED_BACK,
        d.target == bindparam("target"),
        d.operation == "stock.publish",
    )
    settled_before = bindparam("settled_before", type_=Utc)
    late = and_(d.state == "done", d.settled_at > settled_before)
    # One that is parked was refused: what is there is what was there before. Unless its answer was lost.
    unanswered = or_(*(d.state == state for state in _OPEN), and_(d.state == "parked", d.uncertain))
    told = d.accepted_at <= bindparam("at", type_=Utc)
    under_way = exists(select(d.id).where(*mine, told, or_(late, unanswered)).correlate(position))
    newest = (
        select(d.id)
        .where(*mine, d.state == "done", d.settled_at <= settled_before)
        .order_by(d.version.desc())
        .limit(1)
        .correlate(position)
        .scalar_subquery()
    )
    answered = deliveries.alias("answered")
    return (
        select(answered.c.settled_at, versions.c.body, under_way.label("on_the_way"))
        .select_from(position)
        .outerjoin(answered, answered.c.id == newest)
        .outerjoin(versions, and_(versions.c.document_id == position.c.id, versions.c.version == answered.c.version))
        # The kind as an expression: an index over it leads to all positions, and a plan made while they were few may be kept.
        .where(position.c.order_key == bindparam("key"), position.c.kind + "" == "stock")
    )


def _newest(target: str, since: datetime) -> Select[*tuple[Any, ...]]:
    c = stock_counts.c
    return select(stock_counts).where(c.target == target, c.told_at >= since).order_by(c.told_at.desc()).limit(MOST_COUNTED)


def _grouped(target: str, since: datetime) -> Select[*tuple[Any, ...]]:
    some = _newest(target, since).subquery()
    difference = some.c.believed - some.c.published
    over = func.sum(case((difference > 0, difference), else_=0))
    under = func.sum(case((difference < 0, -difference), else_=0))
    return select(some.c.target, some.c.result, func.count(), over, under).group_by(some.c.target, some.c.result)
