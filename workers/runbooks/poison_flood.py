"""Runs the runbook of a flood of broken events, or rows that kill workers: its source goes behind, its cases to an owner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import ledger.desk
from ledger.desk import Filter, Group
from ledger.standing_rows import Filter as RowFilter
from routing import names
from tasks.reprioritize import preview
from workers.runbooks import looking
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words, number
from workers.runbooks.row_steps import Assign, move_of

CLASSES = ("poison", "malformed", "defect")


@dataclass(frozen=True, slots=True)
class PoisonFlood:
    """Many rows of one cause are parked as poison, malformed or defect within minutes."""

    name: ClassVar[str] = "poison-flood"
    title: ClassVar[str] = "A flood of events that cannot be worked on"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("minutes", "look at so many last minutes", "15"),
        Parameter("least", "so many of one cause are a flood", "10"),
        Parameter("owner", "who gets the cases", "development"),
        Parameter("due", "minutes the owner has", "60"),
    )

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """There is a flood, what it parked is filed, and workers live."""
        flood, least = _flood(desk, given), number(given, "least", 1)
        seen = f"{flood.count} of {flood.source or flood.target}: {flood.code} {flood.cause}" if flood else "nothing is parked"
        return [
            Check("a flood of one cause", flood is not None and flood.count >= least, seen),
            _filed(desk),
            looking.consumed(desk, *desk.domains),
        ]

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """What else its source has queued goes behind the others; the cases get an owner."""
        flood = _flood(desk, given)
        if flood is None:
            raise RunbookRefusedError("nothing is parked as poison, malformed or defect lately")
        moved = move_of(desk, RowFilter(source=flood.source), "low") if flood.source else None
        assigned = Assign(flood.group, given["owner"], number(given, "due", 1) * 60, flood.count)
        return [*([moved] if moved else []), assigned]

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """The cases have their owner, what was queued of the source is behind, nothing is stuck, workers live."""
        [assigned] = [step for step in done if step["kind"] == "assign"]
        with desk.context.ledger.read() as session:
            wanted = Filter(group=assigned["values"]["group"], owner=given["owner"])
            owned = ledger.desk.totals(session, desk.context.fleet.desk, wanted, desk.now())
        count = owned.count if owned else 0
        checks = [Check("the cases have an owner", count >= len(assigned["memo"]["keys"]), f"{count} of {given['owner']}")]
        for step in (step for step in done if step["kind"] == "move"):
            source = str(step["values"]["filter"]["source"])
            ahead = preview(desk.context, RowFilter(source=source, accepted_before=since), "low").rows
            checks.append(Check(f"what {source} told waits behind", ahead == 0, f"{ahead} rows of it are not low"))
        return [*checks, _filed(desk), looking.consumed(desk, *desk.domains)]

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """At any time."""
        return []


def _flood(desk: Desk, given: Mapping[str, str]) -> Group | None:
    """The largest group of one cause and source."""
    since = desk.now() - timedelta(minutes=number(given, "minutes", 1))
    found: list[Group] = []
    with desk.context.ledger.read() as session:
        for cls in CLASSES:
            wanted = Filter(cls=cls, since=since)
            found += ledger.desk.groups(session, desk.context.fleet.desk, wanted, desk.now(), ("cause", "source"), 1)
    return max(found, key=lambda group: group.count, default=None)


def _filed(desk: Desk) -> Check:
    lanes = desk.context.fleet.families
    stuck = desk.broker.ready([*(names.dead(lane) for lane in lanes), names.UNROUTED])
    seen = "the broker does not answer" if stuck is None else f"{stuck} messages stand in dead queues"
    return Check("dead letters are filed", stuck == 0, seen)
