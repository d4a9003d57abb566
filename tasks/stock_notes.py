"""Does the noting beside the documents: what figures of stock are made of. A bundle that tells none of it costs nothing more."""

from datetime import datetime
from typing import cast

import ledger.counts
import ledger.oversell
import ledger.unreserved
from canonical.count import Count
from canonical.kinds import read_document
from canonical.order import Order
from canonical.reservation import Reservation
from canonical.stock import StockPosition
from ledger.counts import Compared, Result
from ledger.documents import DocumentKey
from ledger.session import Session
from tasks.decide import Plan, order_key_of


def note_stock(session: Session, plan: Plan, now: datetime) -> None:
    """Note what a bundle's documents say of stock, in the transaction that writes them and under the locks of their heads."""
    _counts(session, plan, now)
    _cancellations(session, plan, now)
    _reservations(session, plan, now)


def _counts(session: Session, plan: Plan, now: datetime) -> None:
    # Also one that says what it said before: the position may be another one by now.
    newest = {one.head.id: one.document for one in plan.taken if isinstance(one.document, Count)}
    if not newest:
        return
    compared = []
    for document_id, count in newest.items():
        target = plan.fleet.sources[count.source].speaks_for
        if target is not None:
            compared.append(_compared(session, document_id, count, target))
    ledger.counts.put(session, compared, now)


def _compared(session: Session, document_id: int, count: Count, target: str) -> Compared:
    there = ledger.counts.published(session, target, count.key, count.as_of)
    if there.on_the_way:
        return Compared(document_id, target, count.as_of, count.available, None, "on_the_way")
    if there.body is None:
        return Compared(document_id, target, count.as_of, count.available, None, "unpublished")
    position = cast("StockPosition", read_document(there.body))
    result: Result = "equal" if position.available == count.available else "different"
    return Compared(document_id, target, count.as_of, count.available, position.available, result)


def _cancellations(session: Session, plan: Plan, now: datetime) -> None:
    lost: dict[int, str] = {}
    others: set[int] = set()
    for head, document in plan.news():
        if not isinstance(document, Order):
            continue
        if document.cancel_reason == "stock":
            lost[head.id] = document.source
            others.discard(head.id)
        elif head.status == "cancelled" or head.id in lost:
            lost.pop(head.id, None)
            others.add(head.id)
    if lost or others:
        ledger.oversell.note(session, lost.items(), others, now)


def _reservations(session: Session, plan: Plan, now: datetime) -> None:
    promised = {name for name, source in plan.fleet.sources.items() if source.reserves_within_s is not None}
    if not promised:
        return
    told: dict[DocumentKey, int] = {}
    settled: set[int] = set()
    for head, document in plan.news():
        if document.source not in promised:
            continue
        if isinstance(document, Reservation) or (isinstance(document, Order) and document.status == "cancelled"):
            settled.add(plan.heads[order_key_of(document)].id)
        elif isinstance(document, Order) and head.version == 0 and _wants_stock(document):
            told[head.key] = head.id
    ledger.unreserved.note(session, told, settled, now)


def _wants_stock(order: Order) -> bool:
    """A gift card is in no warehouse, and a test order takes nothing out of one."""
    return not order.test and any(line.requires_shipping for line in order.lines)
