"""A world with a peak desk: profiles from a few words, applied and taken back as an operator or the keeper would."""

from dataclasses import dataclass
from typing import Any

import ledger.peaks
from config.peaks import PeakProfile, read_profile
from ledger.peaks import InForce
from tasks.backlog import put_under, release
from tests.tasks.world import World
from workers import peaks
from workers.lane_actions import Operator

ANN = Operator("ann", "because")


def a_profile(name: str = "sale", **told: Any) -> PeakProfile:
    """A profile of these keys."""
    return read_profile({"name": name, "summary": "of a test", **told}, "the test")


@dataclass(slots=True)
class PeakDesk:
    """What an operator does to the profile of a world, and what the keeper does then."""

    world: World

    def apply(self, profile: PeakProfile, **more: Any) -> InForce:
        with self.world.ledger.write() as session:
            return peaks.apply(session, profile, ANN, self.world.clock.now(), **more)

    def revert(self) -> InForce | None:
        with self.world.ledger.write() as session:
            return peaks.revert(session, ANN, self.world.clock.now())

    def settle(self) -> int:
        """Let the keeper put the backlog under the last change; returns how many rows it moved."""
        while True:
            with self.world.ledger.read() as session:
                (change,) = ledger.peaks.history(session, 1)
                changes = ledger.peaks.unsettled(session)
            if not changes:
                return change.moved
            put_under(self.world.context, changes[0], changes[1:], most_parts=1)
            self.world.clock.move(1)

    def release(self) -> int:
        return release(self.world.context, 100)

    def classes(self) -> dict[str, str]:
        """Class of each delivery by its business key."""
        return {str(key): str(cls) for key, cls in self.world.rows("select business_key, class from deliveries")}

    def states(self) -> dict[str, str]:
        """State of each delivery by its business key."""
        return {str(key): str(state) for key, state in self.world.rows("select business_key, state from deliveries")}
