"""Remembers how returns fare: how long each step takes, refunds that the ERP does not know, returns that never arrived.

Steps are told as milestones; a return is posted when the ERP took it. Of the latest MOST_LOOKED_AT steps of a window.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, func, select

from ledger.journey_figures import Standing, Took, standing, took
from ledger.journey_schema import milestones
from ledger.performance import MOST_LOOKED_AT
from ledger.schema import deliveries, documents
from ledger.session import Session

STEPS = ("return_requested", "return_received", "return_inspected", "refund_issued")
POSTED = "posted"


@dataclass(slots=True)
class ReturnCase:
    """One return of an order: when each step was taken last, and when the ERP took it (``posted``)."""

    channel: str
    at: dict[str, datetime] = field(default_factory=dict)


def return_cases(session: Session, since: datetime) -> list[ReturnCase]:
    """Returns with a step since then, with all of their steps."""
    m = milestones.c
    lately = select(m.order_id).where(m.step.in_(STEPS), m.at >= since).order_by(m.at.desc()).limit(MOST_LOOKED_AT).subquery()
    order = documents.alias("order_head")
    told = documents.alias("return_head")
    d = deliveries.c
    posted = (
        select(func.min(d.settled_at))
        .where(d.document_id == told.c.id, d.operation == "return.create", d.state == "done")
        .scalar_subquery()
    )
    query = (
        select(m.order_id, m.return_key, m.step, func.max(m.at), order.c.source, func.max(posted))
        .join(order, order.c.id == m.order_id)
        .outerjoin(told, and_(told.c.kind == "return", told.c.source == order.c.source, told.c.key == m.return_key))
        .where(m.order_id.in_(select(lately.c.order_id)), m.step.in_(STEPS))
        .group_by(m.order_id, m.return_key, m.step, order.c.source)
    )
    cases: dict[tuple[int, str], ReturnCase] = {}
    for order_id, key, step, at, source, posted_at in session.execute(query):
        one = cases.setdefault((order_id, key), ReturnCase(source))
        one.at[step] = at
        if posted_at is not None:
            one.at[POSTED] = posted_at
    return list(cases.values())


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
