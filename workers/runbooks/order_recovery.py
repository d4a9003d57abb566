"""Runs the runbook of one order that somebody waits for: what of it is parked goes back to work, first in every queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import ledger.views
from ledger.standing_rows import Filter
from ledger.views import Story
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words
from workers.runbooks.row_steps import Retry, move_of

UNFINISHED = ("waiting", "ready", "queued", "claimed", "retrying", "deferred", "parked")


@dataclass(frozen=True, slots=True)
class OrderRecovery:
    """One order is not at the ERP, and its cause is mended."""

    name: ClassVar[str] = "order-recovery"
    title: ClassVar[str] = "One order must go now"
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("order", "its key or number, as the channel tells it"),)

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """It is known, something of it is not done, and nothing of it is under way."""
        story = _story(desk, given["order"])
        open_rows = [d for d in story.deliveries if d.state in UNFINISHED]
        stuck = [f"e{e.id}" for e in story.events if e.state in ("parked", "waiting", "accepted")]
        seen = ", ".join([*(f"d{d.id} {d.state}" for d in open_rows), *stuck]) or "all of it is done"
        busy = [f"d{d.id}" for d in open_rows if d.state == "claimed"]
        return [
            Check("something of it is not done", bool(open_rows or stuck), seen),
            Check("nothing of it is under way", not busy, ", ".join(busy) or "nothing"),
        ]

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """Retry what is parked; what is queued, and what follows, to high."""
        story = _story(desk, given["order"])
        keys = [f"e{e.id}" for e in story.events if e.state == "parked"]
        keys += [f"d{d.id}" for d in story.deliveries if d.state == "parked"]
        steps: list[Step] = [Retry(keys)] if keys else []
        moved = move_of(desk, Filter(source=story.documents[0].source, keys=_keys(story)), "high")
        steps += [moved] if moved else []
        if not steps:
            raise RunbookRefusedError("nothing of it is parked or queued; see millrace documents trace")
        return steps

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """Every delivery of it is done, and the target gave the order a number."""
        story = _story(desk, given["order"])
        still = [f"d{d.id} {d.state}" for d in story.deliveries if d.state in UNFINISHED]
        still += [f"e{e.id} {e.state}" for e in story.events if e.state in ("parked", "accepted")]
        numbers = [f"{d.target} {d.remote_id}" for d in story.deliveries if d.operation == "order.create" and d.remote_id]
        return [
            Check("all of it is done", not still and bool(story.deliveries), ", ".join(still) or "done"),
            Check("the target gave it a number", bool(numbers), ", ".join(numbers) or "none yet"),
        ]

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """At any time: what has not gone gets its class back."""
        return []


def _story(desk: Desk, wanted: str) -> Story:
    with desk.context.ledger.read() as session:
        orders = [d for d in ledger.views.find_documents(session, wanted) if d.kind == "order"]
        if not orders:
            raise RunbookRefusedError(f"no order {wanted!r} is known; see millrace documents list")
        if len(orders) > 1:
            told = ", ".join(f"order/{d.source}/{d.key}" for d in orders)
            raise RunbookRefusedError(f"{wanted!r} is the name of several orders: {told}")
        return ledger.views.tell_story(session, orders[0].source, orders[0].key)


def _keys(story: Story) -> tuple[str, ...]:
    business = {d.business_key for d in story.deliveries}
    return tuple(sorted(business | {e.event_key for e in story.events}))
