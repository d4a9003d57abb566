"""Does the redirecting of a delivery, and of what waits behind it, to another target: once, and not while in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import ledger.actions
import ledger.deliveries
import ledger.edits
from canonical.kinds import read_document
from canonical.operation import Operation
from ledger.actions import Actor
from ledger.deliveries import NewDelivery, Ready
from ledger.edits import Movable
from ledger.failures import FailureKey
from ledger.session import Session
from tasks.context import Context
from tasks.enrich import Wish, look_up, missing, references_of
from tasks.forward import forward, letters_for_deliveries
from tasks.replay import GONE

_NEEDS_NO_ORDER = ("order.create", "stock.publish", "reservation.create")
_WAITING = ("ready", "queued", "retrying", "deferred")


class RedirectRefusedError(ValueError):
    """The delivery stays where it is; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """What went where: pairs of the original delivery and the one that took its place."""

    target: str
    moved: tuple[tuple[FailureKey, FailureKey], ...]


def redirect(context: Context, key: FailureKey, target: str, actor: Actor, *, standing: bool = False) -> Redirected:
    """Send a parked delivery to another configured target, with what waits behind it; with ``standing`` also one that waits to be
    posted. Its old message then finds nothing to do. Raises RedirectRefusedError.
    """
    if key.stage != "delivery":
        raise RedirectRefusedError("only a delivery (d34) has a target")
    with context.ledger.write() as session:
        rows, origin = _rows(session, key, (*_WAITING, "parked") if standing else ("parked",))
        _check(context, session, rows, origin, target)
        ready, moved = _move(context, session, rows, target, actor)
    forward(context, letters_for_deliveries(ready))
    return Redirected(target, tuple(moved))


def _rows(session: Session, key: FailureKey, states: Sequence[str]) -> tuple[list[Movable], str]:
    base = ledger.edits.delivery_base(session, key.id, lock=False)
    if base is None or base.state not in states:
        raise RedirectRefusedError(GONE)
    rows = ledger.edits.movable(session, base.target, base.entity)
    first = next((row for row in rows if row.id == key.id), None)
    if first is None or first.state not in states:
        raise RedirectRefusedError(GONE)
    return [row for row in rows if row.id >= key.id], base.target


def _check(context: Context, session: Session, rows: Sequence[Movable], origin: str, target: str) -> None:
    if target == origin:
        raise RedirectRefusedError(f"it is at {target} already")
    if any(row.uncertain for row in rows):
        raise RedirectRefusedError(
            f"its effect at {origin} is in doubt: retry it first, so that it is looked up there; redirect it if it comes back"
        )
    there = ledger.edits.at_target(session, target, rows)
    if there:
        raise RedirectRefusedError(f"{target} has this effect already as d{min(there.values())}")
    first = rows[0]
    if first.operation not in _NEEDS_NO_ORDER and not ledger.edits.has_order(session, target, first.entity):
        raise RedirectRefusedError(f"{target} does not have its order: redirect the order's own delivery first")
    wish = _wish(context, first, target)
    lacking = missing(wish, look_up(session, [wish]))
    if lacking:
        raise RedirectRefusedError(f"{lacking.reason}: {lacking.remedy}")


def _move(
    context: Context, session: Session, rows: Sequence[Movable], target: str, actor: Actor
) -> tuple[list[Ready], list[tuple[FailureKey, FailureKey]]]:
    now = context.now()
    wishes = [_wish(context, row, target) for row in rows]
    found = look_up(session, wishes)
    new = [
        NewDelivery(
            document_id=row.document_id,
            version=row.version,
            target=target,
            operation=row.operation,
            business_key=row.business_key,
            entity=row.entity,
            domain=row.domain,
            cls=row.cls,
            calls=context.erps[target].calls(cast("Operation", row.operation)),
            references=references_of(wish, found),
            correlation_id=row.correlation_id,
            accepted_at=row.accepted_at,
            failure=missing(wish, found),
        )
        for row, wish in zip(rows, wishes, strict=True)
    ]
    ready = ledger.deliveries.write(session, new, now)
    written = ledger.edits.at_target(session, target, rows)
    moved = []
    for row in rows:
        other = FailureKey("delivery", written[row.operation, row.business_key, row.version])
        ledger.edits.mark_redirected(session, row.id, f"redirected to {target} as {other}: {actor.why}", now)
        ledger.actions.record(session, actor, "redirect", [f"d{row.id}", str(other)], now, target=target, became=str(other))
        moved.append((FailureKey("delivery", row.id), other))
    return ready, moved


def _wish(context: Context, row: Movable, target: str) -> Wish:
    return Wish(target, row.source, context.erps[target].needs(read_document(row.body)))
