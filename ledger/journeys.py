"""Remembers of orders what happened to them outside, in the transaction that writes the documents that told it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select

from ledger.journey_schema import journeys, milestones
from ledger.many import change, insert, one_of
from ledger.session import Session


@dataclass(frozen=True, slots=True)
class NewStep:
    """A milestone as it was told last: its document, the order's head, the return it belongs to, the step and when."""

    document_id: int
    order_id: int
    return_key: str | None
    step: str
    at: datetime
    placed_at: datetime | None
    """When the order was placed; None while it is not known."""


@dataclass(frozen=True, slots=True)
class Promise:
    """When an order was placed and what its customer was promised."""

    placed_at: datetime
    promised_by: datetime


def note_steps(session: Session, steps: Sequence[NewStep]) -> None:
    """Write milestones under the locks of their orders' heads, and reckon those orders' journeys anew."""
    if not steps:
        return
    told = {one.document_id: one for one in steps}
    rows = [
        {"document_id": one.document_id, "order_id": one.order_id, "return_key": one.return_key, "step": one.step, "at": one.at}
        for one in told.values()
    ]
    insert(session, milestones, rows, once=("document_id",))
    change(session, milestones, rows, by=("document_id",))
    placed = {one.order_id: one.placed_at for one in told.values()}
    insert(session, journeys, [{"order_id": order_id, "placed_at": at} for order_id, at in placed.items()], once=("order_id",))
    reached = _reached(session, sorted(placed))
    change(session, journeys, [{"order_id": order_id} | times for order_id, times in reached.items()], by=("order_id",))


def note_promises(session: Session, made: Mapping[int, Promise], withdrawn: Sequence[int]) -> None:
    """Write what orders promise, by their heads; a promise of ``withdrawn`` ones binds nobody any more."""
    rows = [{"order_id": key, "placed_at": one.placed_at, "promised_by": one.promised_by} for key, one in made.items()]
    insert(session, journeys, rows, once=("order_id",))
    change(session, journeys, rows, by=("order_id",))
    change(session, journeys, [{"order_id": key} for key in withdrawn], by=("order_id",), alike={"promised_by": None})


def _reached(session: Session, order_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The first confirmation and the last delivery of each order, out of all its milestones: one may have been corrected."""
    c = milestones.c
    query = (
        select(
            c.order_id,
            func.min(case((c.step == "warehouse_confirmed", c.at))),
            func.max(case((c.step == "delivered", c.at))),
        )
        .where(one_of(session.dialect.name, c.order_id, "orders"))
        .group_by(c.order_id)
    )
    rows = session.execute(query, {"orders": list(order_ids)})
    return {row[0]: {"confirmed_at": row[1], "delivered_at": row[2]} for row in rows}
