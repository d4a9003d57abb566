"""Runs what is in force in a rehearsal from moment to moment: limits, weights, pauses, ramps, and windows with their canaries."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from config.fleet import Fleet
from routing import names, windows
from routing.windows import Maintenance, Progress
from workers.fetch.plan import FetchPlan
from workers.maintenance import Windows
from workers.plan import Rules


@dataclass(slots=True)
class InForce:
    """Production's rules over the rehearsed fleet file; what was accepted in a canary is counted here, not in the ledger."""

    fleet: Fleet
    rules: Rules
    _seen: dict[str, int]

    @property
    def still(self) -> bool:
        """Whether the plan is the same at any time: then it need not be asked for again."""
        return not self.rules.windows.windows and not any(name.startswith(("paused.", "ramp.")) for name in self.rules.set_now)

    def plan(self, at_s: float, accepted: dict[str, int]) -> FetchPlan:
        """The plan at a moment; ``accepted`` counts what each lane's target has accepted up to then."""
        at = datetime.fromtimestamp(at_s, UTC)
        for standing in self.rules.windows.canaries(at):
            self._note(standing.window, standing.occurs_at, accepted.get(standing.window.lane, 0), at)
        return self.rules.plan(self.fleet, at)

    def _note(self, window: Maintenance, occurs_at: datetime, accepted: int, at: datetime) -> None:
        known = self.rules.windows.of(window)
        run = known.get(occurs_at) or Progress(occurs_at)
        place = f"{window.id} {occurs_at.timestamp()}"
        since = self._seen.setdefault(place, accepted)
        needed = windows.accepted_needed(window, run)
        opened = at if accepted - since >= needed else None
        noted = replace(run, accepted=accepted - since, opened_at=opened)
        progress = {**self.rules.windows.progress, window.id: {**known, occurs_at: noted}}
        self.rules = Rules(self.rules.set_now, Windows(self.rules.windows.windows, progress))


def in_force(fleet: Fleet, rules: Rules) -> InForce:
    """Rules as they stand, to be followed from there."""
    return InForce(fleet, rules, {})


def queues_of(lane: str, domains: tuple[str, ...]) -> tuple[str, ...]:
    """Every work queue of a lane."""
    return tuple(names.queue(family, cls) for family in names.families_of(lane, domains) for cls in names.CLASSES)
