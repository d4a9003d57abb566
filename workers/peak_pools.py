"""Runs the sizes of worker pools that a peak profile asks for: each worker is set once, also those that come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from config.peaks import PoolProfile


@dataclass(frozen=True, slots=True)
class PoolWorker:
    """A running worker: which pool it is of, how many it runs at once now, and how many by the fleet file or its command line.

    ``pid`` tells it from an earlier one of its name.
    """

    name: str
    pool: str
    size: int
    configured: int
    pid: int


class Remote(Protocol):
    """The workers' remote control."""

    def workers(self) -> list[PoolWorker]:
        """Every worker that answers. Raises OSError if the broker does not."""
        ...

    def resize(self, worker: PoolWorker, by: int) -> str:
        """Grow or shrink a worker's pool; why not, "" if it was done. Raises OSError."""
        ...


class PoolSizes:
    """Follows the sizes that are asked for: each worker is set once for each change, so what people do with Flower's buttons
    afterwards stays. A worker that refuses is asked again.
    """

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._done: set[tuple[int, str, int]] = set()

    def follow(
        self, change: int, wanted: Mapping[str, PoolProfile], before: Mapping[str, PoolProfile], ours: Callable[[], bool]
    ) -> dict[str, Any]:
        """Set what is not set yet; returns how things stand, for people: ``workers`` by name, ``missing`` in words.

        ``before``: what the profile before asked for; where it is asked for no more, workers get their configured size.
        ``ours``: whether this process still looks after it. A resize is a difference: done by two it is done twice.
        """
        try:
            running = self._remote.workers()
        except OSError as error:
            return {"change": change, "workers": {}, "missing": [str(error)]}
        self._done = {one for one in self._done if one[0] == change}
        told = {worker.name: self._one(change, worker, wanted, before, ours) for worker in running}
        return {"change": change, "workers": {k: v for k, v in told.items() if v}, "missing": _missing(running, wanted)}

    def _one(
        self, change: int, worker: PoolWorker, wanted: Mapping[str, PoolProfile], before: Mapping[str, PoolProfile],
        ours: Callable[[], bool],
    ) -> dict[str, Any]:  # fmt: skip
        size = wanted[worker.pool].concurrency if worker.pool in wanted else None
        if size is None and (worker.pool not in before or before[worker.pool].concurrency is None):
            return {}
        size = size or worker.configured
        told: dict[str, Any] = {"pool": worker.pool, "size": worker.size, "wanted": size}
        key = (change, worker.name, worker.pid)
        if key in self._done or worker.size == size:
            self._done.add(key)
            return told
        if not ours():
            return told | {"told": "another relay looks after it by now"}
        try:
            refusal = self._remote.resize(worker, size - worker.size)
        except OSError as error:
            refusal = str(error)
        if refusal:
            return told | {"told": refusal}
        self._done.add(key)
        return told | {"size": size}


def _missing(running: list[PoolWorker], wanted: Mapping[str, PoolProfile]) -> list[str]:
    """What remote control cannot do: workers that are not there."""
    found = []
    for name, pool in wanted.items():
        there = sum(worker.pool == name for worker in running)
        if there < (pool.processes or 1):
            found.append(f"pool {name}: {there} workers run, the profile counts on {pool.processes or 1}: start the others")
    return found
