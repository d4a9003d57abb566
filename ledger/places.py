"""Remembers of whole states the newest only: what still waits for its turn keeps its place, and carries the newer state.

A newer state that went to the end of its queue would, where states come faster than they can be sent, never get to its front.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update

from ledger import cases
from ledger.deliveries import NewDelivery, Ready, busy_entities
from ledger.many import among, change, in_order, keys
from ledger.rows import CLASSES, failure_values
from ledger.schema import deliveries
from ledger.session import Session


class _Place(NamedTuple):
    id: int
    document_id: int
    target: str
    operation: str
    state: str
    uncertain: bool
    settled_at: datetime | None
    cls: str
    lost_claims: int
    due_at: datetime | None
    published_at: datetime | None
    accepted_at: datetime


_PLACE = (deliveries.c.document_id, deliveries.c.target, deliveries.c.operation)
_WAITS = ("waiting", "ready", "queued", "retrying", "deferred", "parked")


@dataclass(slots=True)
class Taken:
    """``left`` are the effects that found no place to take, to be written; ``ready`` those whose place needs a message.

    ``superseded`` are pairs of target and operation, one for each earlier state that will not be sent.
    """

    left: list[NewDelivery] = field(default_factory=list)
    ready: list[Ready] = field(default_factory=list)
    superseded: list[tuple[str, str]] = field(default_factory=list)


def take(session: Session, new: Sequence[NewDelivery], now: datetime) -> Taken:
    """Have effects that carry a whole state take the place of earlier ones of the same document that nobody sends now.

    A place keeps its moment of acceptance, for that is how long the target has been without news. What is being sent, or may be
    there because its answer was lost not long ago, is finished first; the newer one waits behind it.
    """
    if not any(one.replaces_lost_before for one in new):
        return Taken(list(new))
    taken = Taken()
    newest = _newest(new, taken)
    # Locks what is unfinished of every entity, in the one order in which all who write deliveries lock it.
    busy_entities(session, ((one.target, one.entity) for one in new))
    places = _places(session, [one for one in newest if _replaces(one)])
    changed, parked = [], []
    for one in newest:
        rows = places.get((one.document_id, one.target, one.operation), [])
        rows = [row for row in rows if not row.uncertain or _over(row, one)]
        if not rows:
            taken.left.append(one)
            continue
        changed.append(_changed(rows[0], one, taken))
        parked += [row.id for row in rows if row.state == "parked"]
        _drop(session, [row.id for row in rows[1:]], one, now)
        taken.superseded += [(one.target, one.operation)] * len(rows)
    change(session, deliveries, changed, by=("id",), alike={"attempts": 0, "uncertain": False} | failure_values(None, now))
    cases.close(session, "delivery", parked, now)
    return taken


def _replaces(one: NewDelivery) -> bool:
    """One that lacks what its target needs takes no place of one that has it."""
    return one.replaces_lost_before is not None and one.failure is None


def _over(row: _Place, one: NewDelivery) -> bool:
    """Whether the request whose answer was lost cannot take effect any more."""
    return row.settled_at is not None and one.replaces_lost_before is not None and row.settled_at <= one.replaces_lost_before


def _newest(new: Sequence[NewDelivery], taken: Taken) -> list[NewDelivery]:
    """Of several states of one document in a bundle the last."""
    last = {(one.document_id, one.target, one.operation): one for one in new if _replaces(one)}
    kept = []
    for one in new:
        if _replaces(one) and last[one.document_id, one.target, one.operation] is not one:
            taken.superseded.append((one.target, one.operation))
        else:
            kept.append(one)
    return kept


def _places(session: Session, wanted: Sequence[NewDelivery]) -> dict[tuple[int, str, str], list[_Place]]:
    """What waits for its turn of each document at each target, first come first; the caller holds the locks."""
    if not wanted:
        return {}
    c, dialect = deliveries.c, session.dialect.name
    query = select(
        c.id, c.document_id, c.target, c.operation, c.state, c.uncertain, c.settled_at, c["class"].label("cls"), c.lost_claims,
        c.due_at, c.published_at, c.accepted_at,
    ).where(among(dialect, _PLACE), or_(*(c.state == state for state in _WAITS)))  # fmt: skip
    given = keys(dialect, _PLACE, [(one.document_id, one.target, one.operation) for one in wanted])
    found: dict[tuple[int, str, str], list[_Place]] = {}
    for row in (_Place(*tuple(row)) for row in session.execute(query.order_by(in_order(c.id)), given)):
        found.setdefault((row.document_id, row.target, row.operation), []).append(row)
    return found


def _changed(row: _Place, one: NewDelivery, taken: Taken) -> dict[str, object]:
    """A place's row as the newer state leaves it, in the higher class of the two; what now needs a message is noted."""
    cls = min(row.cls, one.cls, key=CLASSES.index)
    woken = row.state == "parked" or (row.state == "deferred" and one.rests_until is None)
    raised = cls != row.cls and row.state in ("ready", "queued")
    again = woken or raised
    if again:
        told = (row.id, one.target, cls, one.calls, one.business_key, one.correlation_id, one.operation, one.domain)
        taken.ready.append(Ready(*told, row.accepted_at))
    return {
        "id": row.id,
        "version": one.version,
        "class": cls,
        "calls": one.calls,
        "references": {kind: dict(refs) for kind, refs in one.references.items()},
        "correlation_id": one.correlation_id,
        "state": "ready" if again else row.state,
        "lost_claims": 0 if row.state == "parked" else row.lost_claims,
        "due_at": None if woken else row.due_at,
        "published_at": None if again else row.published_at,
    }


def _drop(session: Session, ids: Sequence[int], one: NewDelivery, now: datetime) -> None:
    if ids:
        told = {"state": "dropped", "settled_at": now, "failure_remedy": f"its state is part of version {one.version}"}
        session.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(**told))
