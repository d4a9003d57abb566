"""Measures one contender once: intake, pipeline or memory. Every run is proved against the ERP's own log, else it is void."""

import time
from dataclasses import dataclass
from itertools import count
from typing import Self

from bench import processes
from bench.contenders import Contender
from bench.erp import ErpProcess
from bench.limits import Limits
from bench.load import pour
from bench.orders import order_id, webhooks
from bench.services import Services, Site

WARM_UP = 100
SETTLE_S = 0.5
"""Time after the last posting in which acknowledgements and row updates are still counted as the orders' cost."""
DRAIN_LIMIT_S = 120.0
RESIDENT_WINDOW_S = 6.0
_RUNS = count(1)


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one run by name; ``void`` says why they do not count, empty when they do."""

    contender: str
    figures: dict[str, float]
    void: str = ""


def pipeline(contender: Contender, site: Site, *, orders: int, service_s: float) -> Run:
    """Orders per second from a full backlog to the ERP's log, and CPU seconds per 1000 orders by role.

    The workers are warmed up and then frozen while the backlog is poured, so that boot is not measured and the backlog is full.
    """
    with _Stage(contender, site, Limits(service_s)) as stage:
        stage.intake()
        stage.workers()
        workers = contender.pids()["worker"]
        processes.freeze(workers)
        keys = stage.accept(WARM_UP, orders)
        before = stage.cpu()
        began = time.monotonic()
        processes.thaw(workers)
        if not stage.erp.wait_for(keys, DRAIN_LIMIT_S):
            return Run(contender.name, {}, f"not drained within {DRAIN_LIMIT_S:.0f} s: {stage.erp.verdict(keys)}")
        ended = max(posting.at_s for posting in stage.erp.postings())
        time.sleep(SETTLE_S)
        figures = {"orders_per_s": orders / (ended - began), **_per_1000(before, stage.cpu(), orders)}
        return Run(contender.name, figures, stage.erp.verdict(keys | stage.warm))


def intake(contender: Contender, site: Site, *, orders: int, connections: int) -> Run:
    """Accepted webhooks per second and their latency in a closed loop, CPU per 1000; the workers then prove all are there."""
    with _Stage(contender, site, Limits(0.0)) as stage:
        stage.intake()
        batch = list(webhooks(WARM_UP, orders))
        before = stage.cpu()
        poured = pour(stage.url, batch, connections=connections)
        time.sleep(SETTLE_S)
        figures = {
            "accepted_per_s": poured.accepted_per_s,
            "p50_ms": poured.p50_ms,
            "p99_ms": poured.p99_ms,
            **_per_1000(before, stage.cpu(), orders),
        }
        keys = {str(key) for key in poured.answered} | stage.warm
        contender.start_workers(stage.services, stage.erp.url)
        stage.erp.wait_for(keys, DRAIN_LIMIT_S)
        refused = "" if poured.accepted == orders else f"answers were {poured.statuses}; "
        return Run(contender.name, figures, refused + stage.erp.verdict(keys))


def memory(contender: Contender, site: Site, *, backlog: int) -> Run:
    """Largest resident memory of the workers while they work on a backlog that was there before they started."""
    with _Stage(contender, site, Limits(0.020)) as stage:
        stage.intake()
        contender.lay(stage.services, stage.url, WARM_UP, backlog)
        contender.start_workers(stage.services, stage.erp.url)
        if not stage.erp.wait_for({str(order_id(number)) for number in range(WARM_UP)}, DRAIN_LIMIT_S):
            return Run(contender.name, {}, "the first orders were not posted")
        until = time.monotonic() + RESIDENT_WINDOW_S
        largest = 0.0
        while time.monotonic() < until:
            largest = max(largest, processes.rss_mb(contender.pids()["worker"]))
            time.sleep(0.25)
        return Run(contender.name, {"worker_mb": largest}, stage.erp.verdict({posting.key for posting in stage.erp.postings()}))


class _Stage:
    """One run's surroundings: fresh services, an ERP, a contender that is stopped whatever happens."""

    def __init__(self, contender: Contender, site: Site, limits: Limits) -> None:
        self._contender = contender
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
            self._contender.stop()
        finally:
            self.erp.stop()
            self._site.drop(self._name)

    def intake(self) -> None:
        """Start the intake and warm it up."""
        self.url = self._contender.start_intake(self.services, self.erp.url)
        self.warm = self.accept(0, WARM_UP)

    def workers(self) -> None:
        """Start the workers and let them do the warm-up orders."""
        self._contender.start_workers(self.services, self.erp.url)
        if not self.erp.wait_for(self.warm, 60.0):
            raise RuntimeError(
                f"{self._contender.name}: warm-up failed, {self.erp.verdict(self.warm)}; see {self.services.folder}"
            )
        time.sleep(SETTLE_S)

    def accept(self, first: int, orders: int) -> set[str]:
        """Pour orders in; all must be accepted."""
        poured = pour(self.url, webhooks(first, orders))
        if poured.accepted != orders:
            raise RuntimeError(f"{self._contender.name}: {poured.accepted} of {orders} accepted, answers {poured.statuses}")
        return {str(key) for key in poured.answered}

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by role."""
        roles = {**self.services.roles, **self._contender.pids()}
        return {role: processes.cpu_s(pids) for role, pids in roles.items()}


def _per_1000(before: dict[str, float], after: dict[str, float], orders: int) -> dict[str, float]:
    used = {role: (after[role] - spent) * 1000 / orders for role, spent in before.items()}
    return {"all_cpu_s_per_1000": sum(used.values())} | {f"{role}_cpu_s_per_1000": spent for role, spent in used.items()}
