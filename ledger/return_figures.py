"""Remembers how returns fare: how long each step takes, refunds that the ERP does not know, returns that never arrived.

Steps are told as milestones; a return is posted when the ERP took it. Of the LATEST of each step within a window.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CompoundSelect, and_, case, func, select, union

from ledger.journey_figures import Standing, Took, standing, took
from ledger.journey_schema import milestones
from ledger.schema import deliveries, documents
from ledger.session import Session
from ledger.standing import LATEST

STEPS = ("return_requested", "return_received", "return_inspected", "refund_issued")
POSTED = "posted"


@dataclass(slots=True)
class ReturnCase:
    """One return of an order: when each step was taken last, and when the ERP took it (``posted``), as far as told."""

    channel: str
    at: dict[str, datetime]


def return_cases(session: Session, since: datetime, asked_before: datetime) -> list[ReturnCase]:
    """Returns of orders with a step since then, with all of their steps; among them those that were asked for last before
    ``asked_before``, however many were asked for after it.
    """
    m = milestones.c
    taken = (
        select(m.order_id, m.return_key, *(func.max(case((m.step == step, m.at))).label(step) for step in STEPS))
        .where(m.order_id.in_(_lately(since, asked_before)), m.step.in_(STEPS))
        .group_by(m.order_id, m.return_key)
        .subquery()
    )
    order = documents.alias("order_head")
    told = documents.alias("return_head")
    d = deliveries.c
    posted = (
        select(func.min(d.settled_at))
        .where(d.document_id == told.c.id, d.operation == "return.create", d.state == "done")
        .scalar_subquery()
    )
    query = (
        select(order.c.source, *(taken.c[step] for step in STEPS), posted)
        .join(order, order.c.id == taken.c.order_id)
        .outerjoin(told, and_(told.c.kind == "return", told.c.source == order.c.source, told.c.key == taken.c.return_key))
    )
    return [
        ReturnCase(source, {name: at for name, at in zip((*STEPS, POSTED), times, strict=True) if at is not None})
        for source, *times in session.execute(query)
    ]


def _lately(since: datetime, asked_before: datetime) -> CompoundSelect[int]:
    """Orders to look at. Step by step: an index leads to the latest of one step, of several only to all there are."""
    m = milestones.c
    latest = select(m.order_id).where(m.at >= since).order_by(m.at.desc()).limit(LATEST)
    looks = [latest.where(m.step == step) for step in STEPS]
    looks.append(latest.where(m.step == "return_requested", m.at < asked_before))
    return union(*(select(look.subquery().c.order_id) for look in looks))


def step_speeds(cases: list[ReturnCase], since: datetime) -> list[Took]:
    """Seconds to each step taken since then, from the step before it that was told; a return's first step took no time."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for one in cases:
        for step, at in one.at.items():
            before = _before(one, step)
            if before is not None and at >= since:
                seconds[step].append(max(0.0, (at - before).total_seconds()))
    return [took(step, told) for step, told in sorted(seconds.items())]


def refunds_before_credit(cases: list[ReturnCase]) -> list[Standing]:
    """Refunds that customers have got while the ERP does not have the return."""
    return standing((one.channel, one.at["refund_issued"]) for one in cases if "refund_issued" in one.at and POSTED not in one.at)


def not_received(cases: list[ReturnCase], posted_before: datetime) -> list[Standing]:
    """Returns that were asked for and posted before that moment, and whose goods nobody has received."""
    return standing(
        (one.channel, one.at[POSTED])
        for one in cases
        if "return_requested" in one.at and "return_received" not in one.at and one.at.get(POSTED, posted_before) < posted_before
    )


def _before(one: ReturnCase, step: str) -> datetime | None:
    """The nearest step before this one that was told; posting follows the refund or whatever came before it."""
    order = (*STEPS, POSTED)
    earlier = [one.at[name] for name in order[: order.index(step)] if name in one.at]
    return earlier[-1] if earlier else None
