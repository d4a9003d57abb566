"""Holds what the tasks of one process work with; built by workers/bootstrap.py, or by a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from adapters.channels.base import Channel
from adapters.erps.base import Erp
from adapters.http.caller import Caller, Observation
from adapters.http.client import Client
from adapters.throttle.base import Granted, Throttle
from config.fleet import Fleet
from config.topology import TopologyTable
from ledger.session import Ledger
from routing.publish import Publisher
from tasks.in_force import PeakRules
from tasks.marking import Marking


@dataclass(frozen=True, slots=True)
class Context:
    """One process's tools.

    ``channels`` by source name; ``erps``, ``clients`` and ``throttles`` by target; ``draw`` gives a number in [0, 1).
    ``marking`` notes published rows in its own time; without one they are noted at once.
    """

    fleet: Fleet
    topology: TopologyTable
    ledger: Ledger
    publisher: Publisher
    channels: Mapping[str, Channel]
    erps: Mapping[str, Erp]
    clients: Mapping[str, Client]
    throttles: Mapping[str, Throttle]
    observe: Callable[[Observation], None]
    now: Callable[[], datetime]
    draw: Callable[[], float]
    peak: PeakRules = field(default_factory=PeakRules)
    marking: Marking | None = None

    def caller(self, target: str, permit: Granted) -> Caller:
        """The way out to a target under a permit; leaving it gives the lease and unspent calls back."""
        return Caller(self.clients[target], self.throttles[target], permit, observe=self.observe)
