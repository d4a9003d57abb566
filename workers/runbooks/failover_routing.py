"""Runs the runbook of a target that is down for long: hold its lane, or send orders elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import ledger.outcomes
from ledger.standing_rows import Filter, counted
from workers.runbooks import looking
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words
from workers.runbooks.lane_steps import Hold, Source
from workers.runbooks.row_steps import Redirect

ACTS_AFTER = timedelta(seconds=3)
LEAST_TRIED = 3


@dataclass(frozen=True, slots=True)
class FailoverRouting:
    """An ERP or warehouse is down: its lane is held, so that no attempt is spent; with ``to`` orders go to another one."""

    name: ClassVar[str] = "failover-routing"
    title: ClassVar[str] = "An ERP or warehouse is down: hold, or route elsewhere"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("target", "the target that is down"),
        Parameter("to", "the target that takes its orders; left out: they wait", ""),
    )

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """It is down, and the other one works."""
        lane = self._lane(desk, given["target"])
        checks = [_down(desk, given["target"], lane)]
        if given["to"]:
            other = desk.lane(self._lane(desk, given["to"]))
            checks += [looking.is_open(other), looking.breaker_closed(other), looking.consumed(desk, other.lane)]
        return checks

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """Hold; source elsewhere; redirect what stands and is not in doubt."""
        target, to = given["target"], given["to"]
        steps: list[Step] = [Hold(f"deliver.{target}")]
        if not to:
            return steps
        if to == target:
            raise RunbookRefusedError(f"{to} is the one that is down")
        return [*steps, Source(target, to), Redirect(target, to, _standing(desk, target))]

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """Nothing more is tried at the target; what can go elsewhere has gone there."""
        target, to = given["target"], given["to"]
        view = desk.lane(f"deliver.{target}")
        heard = desk.now() - since > ACTS_AFTER
        with desk.context.ledger.read() as session:
            tried = sum(ledger.outcomes.lately(session, target, since + ACTS_AFTER).values())
            there = ledger.outcomes.lately(session, to, since) if to else {}
        checks = [
            Check(f"{view.lane} is held", view.state.scale == 0, f"{view.state.word} {view.state.why}".strip()),
            Check("nothing more is tried there", heard and not tried, f"{tried} attempts since the workers heard of it"),
        ]
        if to:
            moved = int(done[-1]["memo"].get("moved", 0))
            well = sum(there.get(word, 0) for word in looking.WELL)
            checks.append(Check(f"{to} takes orders", well > 0 or not moved, f"{well} accepted of {moved} redirected"))
        return checks

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """At any time: only people know that it is up again, for nothing is sent there. The lane opens on a ramp."""
        return []

    def _lane(self, desk: Desk, target: str) -> str:
        targets = desk.context.fleet.targets
        if target not in targets:
            raise RunbookRefusedError(f"no target {target!r}: there are {', '.join(targets)}")
        return f"deliver.{target}"


def _down(desk: Desk, target: str, lane: str) -> Check:
    breaker = looking.breaker_closed(desk.lane(lane))
    tried, failed = looking.newest_attempts(desk, target, looking.LATELY)
    failing = failed == tried and tried >= LEAST_TRIED
    seen = f"breaker {breaker.seen}; {failed} of the {tried} newest attempts of the last minute found no answer"
    return Check(f"{target} is down", failing or not breaker.ok, seen)


def _standing(desk: Desk, target: str) -> int:
    with desk.context.ledger.read() as session:
        return sum(place.count for place in counted(session, Filter(lane=f"deliver.{target}"), "") if place.state != "waiting")
