"""Runs the steps that change lanes: hold one, set its values, take the orders of one target to another."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import ledger.peaks
from config.fleet import Route
from config.peaks import PeakProfile
from ledger import controls
from workers import lane_actions, peaks
from workers.lane_rules import PAUSED, name_of
from workers.runbooks.base import Desk, RunbookRefusedError, Words


@dataclass(frozen=True, slots=True)
class Hold:
    """Pick nothing more from a lane until it is undone."""

    kind: ClassVar[str] = "hold"
    lane: str

    @property
    def says(self) -> str:
        """In words."""
        return f"hold {self.lane}: nothing more is picked, no attempt is spent, what waits keeps its place"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Pause the lane; one that is paused stays as it is."""
        with desk.context.ledger.write() as session:
            before = controls.read_all(session).get(name_of(PAUSED, self.lane))
            if before is not None:
                return {"already": True}
            lane_actions.pause(session, self.lane, desk.operator, desk.now(), None, 0.0)
        return {"reason": desk.actor.why}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Resume it on a ramp, if the pause is still ours."""
        if memo.get("already"):
            return f"{self.lane} was paused before; it stays so"
        with desk.context.ledger.write() as session:
            told = controls.read_all(session).get(name_of(PAUSED, self.lane))
            if told is None:
                return f"{self.lane} was resumed already"
            if memo and told.get("reason") != memo["reason"]:
                return f"{self.lane} was paused anew since, by {told.get('by')}: {told.get('reason')}; it stays so"
            lane_actions.resume(session, self.lane, desk.operator, desk.now(), desk.ramp_s)
        return f"{self.lane} is resumed and rises to its limit within {desk.ramp_s:g} s"


@dataclass(frozen=True, slots=True)
class SetLane:
    """Put limit, shares or weights of a lane in force, each whole."""

    kind: ClassVar[str] = "set"
    lane: str
    values: Mapping[str, Mapping[str, Any]]

    @property
    def says(self) -> str:
        """In words."""
        told = [f"{kind} {', '.join(f'{k}={v}' for k, v in value.items())}" for kind, value in self.values.items()]
        return f"set {self.lane}: {'; '.join(told)}; the standing backlog included"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Set them."""
        with desk.context.ledger.write() as session:
            set_now = controls.read_all(session)
            before = {kind: set_now.get(name_of(kind, self.lane), {}) for kind in self.values}
            lane_actions.set_values(session, self.lane, desk.operator, desk.now(), self.values)
        return {"before": before}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Put back what was in force before, unless somebody changed it since."""
        if not memo:
            return f"what was set of {self.lane} before is not known; see millrace lanes show {self.lane}"
        with desk.context.ledger.write() as session:
            set_now = controls.read_all(session)
            ours = {k: v for k, v in self.values.items() if set_now.get(name_of(k, self.lane), {}) == dict(v)}
            if ours:
                before = {kind: memo["before"][kind] for kind in ours}
                lane_actions.set_values(session, self.lane, desk.operator, desk.now(), before)
        changed = [kind for kind in self.values if kind not in ours]
        left = f"; {', '.join(changed)} was changed since and stays" if changed else ""
        return f"{self.lane}: {', '.join(ours) or 'nothing'} is as it was before{left}"


@dataclass(frozen=True, slots=True)
class Source:
    """Have new orders of one target go to another, on top of the peak profile in force."""

    kind: ClassVar[str] = "source"
    target: str
    to: str

    @property
    def says(self) -> str:
        """In words."""
        return f"send new orders of {self.target} to {self.to}, and what belongs to an order where the order went"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Put a profile in force that is the present one with this sourcing before its own."""
        fleet = desk.context.fleet
        routes = [
            r.model_copy(update={"target": self.to}) for r in fleet.routes if r.target == self.target and "order" in r.kinds
        ]
        others = [r for r in fleet.routes if r.target not in (self.target, self.to) and "order" in r.kinds]
        sourcing = tuple(Route.model_validate(r.model_dump() | {"kinds": ("order",)}) for r in (*routes, *others))
        with desk.context.ledger.write() as session:
            standing = ledger.peaks.in_force(session)
            below = peaks.standing_profile(standing)
            if below is not None and below.sourcing:
                raise RunbookRefusedError(f"peak profile {below.name} has sourcing of its own: change that one instead")
            name, summary = f"failover-{self.target}"[:40], f"orders of {self.target} go to {self.to}"
            told = below.kept() if below else {}
            profile = PeakProfile.model_validate(
                told | {"name": name, "summary": summary, "sourcing": [one.model_dump() for one in sourcing], "lasts_s": None}
            )
            ends_at = standing.ends_at if standing else None
            made = peaks.apply(session, profile, desk.operator, desk.now(), ends_at=ends_at)
        return {"change": made.change}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Take the profile back, if it is the one in force."""
        with desk.context.ledger.write() as session:
            standing = ledger.peaks.in_force(session)
            mine = standing is not None and standing.name == f"failover-{self.target}"[:40]
            if not mine or (memo and standing is not None and standing.change != memo["change"]):
                return f"another peak profile is in force by now; see millrace peak history, and take {self.to} out of it"
            peaks.revert(session, desk.operator, desk.now())
        return f"new orders go to {self.target} again; those that went to {self.to} stay there, with what belongs to them"
