"""Names what a bench needs to know of each contender, and what the contenders are told of the ERP's limit."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.services import Services

WORKER_PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Told:
    """What a contender's operator knows of the ERP's limit: calls a second, a burst, calls at once; None: not known."""

    rate_per_s: float | None = None
    burst: int = 1
    at_once: int | None = None


class Contender(Protocol):
    """One system doing the job. A run starts the intake, then the workers, reads the pids, and stops everything."""

    name: str

    def start_intake(self, services: Services, erp_url: str) -> str:
        """Start the receiving side, wait until it answers, return the URL webhooks are posted to."""
        ...

    def start_workers(self, services: Services, erp_url: str, count: int = WORKER_PROCESSES) -> None:
        """Start worker processes with all they need; the caller waits for their first orders. Again: so many more."""
        ...

    def pids(self) -> dict[str, tuple[int, ...]]:
        """Root pids by role: ``intake``, ``worker``, and ``beside`` for what else runs while orders do."""
        ...

    def take_sample(self, services: Services, url: str, number: int) -> None:
        """Take the order ``number`` in through HTTP and keep what it became: backlogs are laid as its copies.

        Called after the intake has started and before the workers have; they then work on the sample as on any order.
        """
        ...

    def lay(self, services: Services, first: int, count: int, cls: str = "normal") -> None:
        """Lay a backlog of ``count`` orders at the ERP, beginning with number ``first``, as fast as it goes."""
        ...

    def left(self, services: Services) -> set[str]:
        """Keys of the orders that are not in the ERP and still safe with this system. Called when its workers have stopped."""
        ...

    def kill_worker(self) -> None:
        """Kill one worker process, as the machine it ran on would by losing power."""
        ...

    def stop_workers(self) -> None:
        """End the workers in order: what they have in hand is finished or given back."""
        ...

    def stop(self) -> None:
        """End everything that was started."""
        ...


def alive(processes: Sequence[subprocess.Popen[bytes]]) -> tuple[int, ...]:
    """Pids of those that still run."""
    return tuple(process.pid for process in processes if process.poll() is None)
