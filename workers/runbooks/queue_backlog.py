"""Runs the runbook of a backlog that will not be gone in time: what was promised goes first, the rest keeps its floor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import ledger.moves
from ledger import controls
from ledger.standing_rows import Filter
from routing import names
from workers import lane_rules
from workers.runbooks import looking
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words, number
from workers.runbooks.lane_steps import SetLane
from workers.runbooks.row_steps import move_of

HIGH, NORMAL, LOW = 32, 4, 1


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """More waits than will be done in time, and the target works well."""

    name: ClassVar[str] = "queue-backlog"
    title: ClassVar[str] = "A backlog that will not be gone in time"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("lane", "the lane, such as deliver.netsuite or orders"),
        Parameter("promised", "hours: what is promised within goes to high; 0 leaves it out", "24"),
        Parameter("value", "orders of at least this total go to high", ""),
    )

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """Something waits, the lane is open, workers serve it, and its target answers."""
        view = desk.lane(given["lane"])
        seen = f"{view.rows}{'+' if view.more else ''} rows{looking.parked(desk, given['lane'])}"
        something = Check("something waits", view.rows > 0, seen)
        checks = [something, looking.is_open(view), looking.consumed(desk, given["lane"])]
        return checks if view.target is None else [*checks, looking.breaker_closed(view)]

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """More turns for high; what is promised soon, or dear, goes there."""
        lane, hours = given["lane"], number(given, "promised")
        with desk.context.ledger.read() as session:
            weights = lane_rules.weights_of(controls.read_all(session), desk.context.fleet, lane)
        wished = {"high": max(HIGH, weights.high), "normal": NORMAL, "low": LOW}
        steps: list[Step] = [SetLane(lane, {lane_rules.WEIGHTS: weights.model_dump() | wished})]
        wanted = [Filter(lane=lane, promised_before=desk.now() + timedelta(hours=hours))] if hours else []
        if given["value"]:
            wanted.append(Filter(lane=lane, total_at_least=Decimal(str(number(given, "value")))))
        moves = [step for step in (move_of(desk, one, "high") for one in wanted) if step]
        if desk.lane(lane).rows == 0:
            raise RunbookRefusedError(f"nothing waits in {lane}")
        return [*steps, *moves]

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """The weights are in force, what was moved goes, and the lane is moving."""
        lane = given["lane"]
        with desk.context.ledger.read() as session:
            weights = lane_rules.weights_of(controls.read_all(session), desk.context.fleet, lane)
            moves = [int(step["memo"]["move"]) for step in done if step["kind"] == "move"]
            counts = [ledger.moves.standing(session, move_id) for move_id in moves]
        still, moved = sum(count[0] for count in counts), sum(count[1] for count in counts)
        high = done[0]["values"]["values"][lane_rules.WEIGHTS]["high"]
        checks = [
            Check("the weights are in force", weights.high == high, f"high {weights.high}, normal {weights.normal}"),
            Check("what was moved goes", not moved or still < moved, f"{moved - still} of {moved} have gone"),
        ]
        target = names.target_of(lane)
        if target is not None:
            well, _ = looking.attempts_lately(desk, target, desk.now() - since)
            checks.append(Check("the lane moves", well > 0, f"{well} accepted since"))
        return checks

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """At any time."""
        return []
