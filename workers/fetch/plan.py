"""Runs the watch on the fetch plan: weights and pauses, read off the hot path and handed over when they changed."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from routing.weights import Weights

_log = logging.getLogger(__name__)

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What a fetcher goes by. A family without weights has the default ones."""

    weights: Mapping[str, Weights] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()


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
