"""Runs on these ports: a runbook, its steps, and the desk with the tools that both look and act with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from ledger.actions import Actor
from routing import names
from tasks.context import Context
from workers.lane_actions import Operator
from workers.lanes import LaneView, Lookout
from workers.runbooks.broker import BrokerLook

Words = Mapping[str, Any]
"""Plain data, as the ledger keeps it."""


class RunbookRefusedError(ValueError):
    """Nothing was done; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what must hold, whether it does, and what was seen."""

    what: str
    ok: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a runbook is told; ``default`` None: it must be given, "": it may be left out."""

    name: str
    means: str
    default: str | None = None


@dataclass(slots=True)
class Desk:
    """What runbooks work with: the tasks' context, a look at lanes and broker, and who acts why."""

    context: Context
    lookout: Lookout
    broker: BrokerLook
    actor: Actor
    ramp_s: float = 30.0
    """How fast a lane that is resumed rises to its whole limit."""

    @property
    def domains(self) -> tuple[str, ...]:
        """The lanes in which events wait to be prepared."""
        return tuple(lane for lane in self.context.fleet.families if names.target_of(lane) is None)

    @property
    def operator(self) -> Operator:
        """Who acts, as the lanes' deeds take it."""
        return Operator(self.actor.by, self.actor.why, self.actor.role)

    def now(self) -> datetime:
        """The time."""
        return self.context.now()

    def lane(self, name: str) -> LaneView:
        """A lane as it is. Raises RunbookRefusedError for one that the fleet file does not have."""
        families = self.context.fleet.families
        if name not in families:
            raise RunbookRefusedError(f"no lane {name!r}: there are {', '.join(families)}")
        return self.lookout.look([name], self.now())[0]


class Step(Protocol):
    """One change, which can be taken back by what `do` returned. Frozen plain data, kept in the ledger."""

    kind: ClassVar[str]

    @property
    def says(self) -> str:
        """What it will do, in words."""
        ...

    def words(self) -> Words:
        """Its values, to make it again with."""
        ...

    def do(self, desk: Desk) -> Words:
        """Do it; what it takes to take it back. Raises RunbookRefusedError if it cannot be done."""
        ...

    def undo(self, desk: Desk, memo: Words) -> str:
        """Take it back as far as it can be; in words what became of it. An empty ``memo``: the process died in `do`."""
        ...


class Runbook(Protocol):
    """What is done in one known trouble; its page is ``docs/runbooks/NAME.md``."""

    name: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """Look whether this trouble is there and the runbook may be run. Changes nothing."""
        ...

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """What would be done now, in its order. Changes nothing. Raises RunbookRefusedError if nothing can be."""
        ...

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """Look whether it has its effect; asked again until all hold or patience ends. ``done``: the steps as kept."""
        ...

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """Look whether it may be taken back now."""
        ...


def number(given: Mapping[str, str], name: str, least: float = 0.0) -> float:
    """A parameter that is a number. Raises RunbookRefusedError."""
    try:
        value = float(given[name])
    except ValueError:
        raise RunbookRefusedError(f"{name}={given[name]!r} is no number") from None
    if not least <= value < 1e9:
        raise RunbookRefusedError(f"{name}={given[name]!r}: give at least {least:g}")
    return value
