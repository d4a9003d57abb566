"""Runs the watch on the fetch plan: weights and pauses, read off the hot path and handed over when they changed."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from adapters.throttle.base import Limit
from routing.weights import Weights

_log = logging.getLogger(__name__)

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Gate:
    """What a lane may do now beside its limits; as it stands it may do all.

    ``closed_s`` above 0: nothing is picked for so many seconds, because of ``why``. ``most_at_once`` 1 lets one permit out at
    a time (a canary). ``scale`` from 0 to 1 multiplies rate and concurrency (a ramp). Raises ValueError outside of these.
    """

    scale: float = 1.0
    most_at_once: int | None = None
    closed_s: float = 0.0
    why: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= 1:
            raise ValueError(f"scale is {self.scale}: give a part from 0 to 1")
        if self.most_at_once is not None and self.most_at_once < 1:
            raise ValueError(f"most_at_once is {self.most_at_once}: give at least 1, or close the lane")
        if not self.closed_s >= 0:
            raise ValueError(f"closed_s is {self.closed_s}: give seconds from 0 on")


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What a fetcher goes by. A lane without weights, shares or gate has the default ones, a target without limit its own.

    ``weights``, ``paused`` and ``gates`` name lanes (``orders``, ``deliver.netsuite``); ``shares`` gives each lane the weights
    of its domains; ``limits`` replaces the configured limit of a target.
    """

    weights: Mapping[str, Weights] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    shares: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    gates: Mapping[str, Gate] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)


class Plan(Protocol):
    """Where the plan in force is read: the ledger, Redis, a file."""

    def current(self) -> FetchPlan:
        """The plan in force now. May raise anything: the last one read stays in force."""
        ...


class PlanWatch:
    """Reads the plan once a second on its own thread and calls ``changed`` there with each that differs."""

    def __init__(self, plan: Plan, changed: Callable[[FetchPlan], None], every_s: float = POLL_S) -> None:
        self._plan = plan
        self._changed = changed
        self._every_s = every_s
        self._stop = threading.Event()
        self._last = FetchPlan()
        self._thread = threading.Thread(target=self._run, name="fetch-plan", daemon=True)

    def start(self) -> FetchPlan:
        """Read once, here and now, and go on in the background; the default plan if it cannot be read."""
        self._read()
        self._thread.start()
        return self._last

    def stop(self) -> None:
        """End the watch; returns at once."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            before = self._last
            self._read()
            if self._last != before:
                self._changed(self._last)

    def _read(self) -> None:
        try:
            self._last = self._plan.current()
        except Exception:  # noqa: BLE001 the worker goes on under the last plan whatever the store says
            _log.warning("fetch plan could not be read: the last one stays in force", exc_info=True)
