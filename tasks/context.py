"""Holds what the tasks of one process work with; built by workers/bootstrap.py, or by a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.channels.base import Channel
from adapters.erps.base import Erp
from adapters.throttle.base import Throttle
from config.fleet import Fleet
from config.topology import TopologyTable
from ledger.session import Ledger
from routing.publish import Publisher


@dataclass(frozen=True, slots=True)
class Context:
    """One process's tools. ``channels`` by source name, ``erps`` and ``throttles`` by target name; ``draw`` gives [0, 1)."""

    fleet: Fleet
    topology: TopologyTable
    ledger: Ledger
    publisher: Publisher
    channels: Mapping[str, Channel]
    erps: Mapping[str, Erp]
    throttles: Mapping[str, Throttle]
    now: Callable[[], datetime]
    draw: Callable[[], float]
