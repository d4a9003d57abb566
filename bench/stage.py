"""Sets up one run: fresh services, an ERP, a contender that is stopped whatever happens; and what a run comes back with."""

import time
from dataclasses import dataclass
from itertools import count
from typing import Self

from bench import processes
from bench.allowance import Point
from bench.contenders import Contender
from bench.erp import ErpProcess
from bench.limits import Limits
from bench.load import pour
from bench.orders import order_id, webhooks
from bench.services import Services, Site

WARM_UP = 100
SAMPLE = 90_000
"""Number of the order that backlogs are copies of; orders of a backlog are numbered from ``BACKLOG`` on."""
BACKLOG = 100_000
SETTLE_S = 0.5
"""Time after the last posting in which acknowledgements and row updates are still counted as the orders' cost."""
DRAIN_LIMIT_S = 120.0
WARM_LIMIT_S = 60.0
_RUNS = count(1)


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one run by name; ``void`` says why they do not count, empty when they do; ``curve`` for a plot over time."""

    contender: str
    figures: dict[str, float]
    void: str = ""
    curve: tuple[Point, ...] = ()


class Stage:
    """One run's surroundings; left, everything in them ends."""

    def __init__(self, contender: Contender, site: Site, limits: Limits) -> None:
        self.contender = contender
        self._site = site
        self._name = f"{contender.name}-{next(_RUNS)}"
        self._limits = limits
        self.warm: set[str] = set()
        self.url = ""

    def __enter__(self) -> Self:
        self.services: Services = self._site.fresh(self._name)
        self.erp = ErpProcess(self.services.folder, self._limits)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.contender.stop()
        finally:
            self.erp.stop()
            self._site.drop(self._name)

    def intake(self, warm: int = WARM_UP, *, sample: bool = False) -> None:
        """Start the intake, take the sample if backlogs are to be laid, and warm up."""
        self.url = self.contender.start_intake(self.services, self.erp.url)
        if sample:
            self.contender.take_sample(self.services, self.url, SAMPLE)
        self.warm = self.accept(0, warm) | ({str(order_id(SAMPLE))} if sample else set())

    def workers(self) -> None:
        """Start the workers and let them do the warm-up orders."""
        self.contender.start_workers(self.services, self.erp.url)
        if not self.erp.wait_for(self.warm, WARM_LIMIT_S):
            raise RuntimeError(
                f"{self.contender.name}: warm-up failed, {self.erp.verdict(self.warm)}; see {self.services.folder}"
            )
        time.sleep(SETTLE_S)

    def lay(self, first: int, orders: int, cls: str = "normal") -> set[str]:
        """Lay a backlog; the keys of its orders."""
        self.contender.lay(self.services, first, orders, cls)
        return {str(order_id(number)) for number in range(first, first + orders)}

    def lay_before_frozen_workers(self, orders: dict[str, int]) -> dict[str, set[str]]:
        """Lay so many orders of each class while the warm workers stand still, then let them go; keys by class."""
        workers = self.contender.pids()["worker"]
        processes.freeze(workers)
        first = BACKLOG
        laid = {}
        for cls, number in orders.items():
            laid[cls] = self.lay(first, number, cls)
            first += number
        processes.thaw(workers)
        return laid

    def accept(self, first: int, orders: int) -> set[str]:
        """Pour orders in; all must be accepted."""
        poured = pour(self.url, webhooks(first, orders))
        if poured.accepted != orders:
            raise RuntimeError(f"{self.contender.name}: {poured.accepted} of {orders} accepted, answers {poured.statuses}")
        return {str(key) for key in poured.answered}

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by role."""
        roles = {**self.services.roles, **self.contender.pids()}
        return {role: processes.cpu_s(pids) for role, pids in roles.items()}

    def proof(self, keys: set[str]) -> str:
        """End the workers and tell what was lost or doubled: every order is in the ERP once, or still safe with its system."""
        self.contender.stop_workers()
        time.sleep(self._limits.service_s + SETTLE_S)
        return self.erp.verdict(keys | self.warm, self.contender.left(self.services))


def per_1000(before: dict[str, float], after: dict[str, float], orders: int) -> dict[str, float]:
    """CPU seconds per 1000 orders by role and in all."""
    used = {role: (after[role] - spent) * 1000 / orders for role, spent in before.items()}
    return {"all_cpu_s_per_1000": sum(used.values())} | {f"{role}_cpu_s_per_1000": spent for role, spent in used.items()}
