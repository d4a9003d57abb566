"""Measures what an order costs, and what the workers hold, with a small, a large and a very large backlog behind it."""

import time

from bench import processes
from bench.contenders import Contender
from bench.limits import Limits
from bench.services import Site
from bench.stage import BACKLOG, DRAIN_LIMIT_S, Run, Stage

SERVICE_S = 0.020
UNDER_WAY = 500
"""Orders done before the counting begins, so that buffers and connections are as they stay."""
SAMPLE_S = 0.1


def growth(contender: Contender, site: Site, *, backlog: int, orders: int) -> Run:
    """CPU of the workers and of all for each order at the last stage, and the workers' largest memory, while so many ``orders``
    are done with ``backlog`` behind them: they are laid on top, so that the backlog still stands when the counting ends.
    """
    with Stage(contender, site, Limits(SERVICE_S)) as stage:
        # Laid before the workers boot: it takes longer than a frozen one keeps its connections. Nothing else is poured in:
        # it would come behind the backlog.
        stage.intake(0, sample=True)
        keys = stage.lay(BACKLOG, backlog + UNDER_WAY + orders)
        stage.workers()
        began, before, _ = _until(stage, keys, UNDER_WAY)
        ended, after, largest_mb = _until(stage, keys, UNDER_WAY + orders)
        done = ended - began
        spent = {f"{role}_cpu_ms_an_order": (after[role] - before[role]) * 1000 / done for role in before}
        figures = {"worker_mb": largest_mb, "all_cpu_ms_an_order": sum(spent.values()), **spent}
        posted = {one.key for one in stage.erp.postings()}
        return Run(contender.name, figures, stage.erp.verdict(posted | stage.warm))


def _until(stage: Stage, keys: set[str], orders: int) -> tuple[int, dict[str, float], float]:
    """Wait until so many of the backlog's orders are in the ERP: how many it was, CPU seconds so far, largest memory."""
    deadline = time.monotonic() + DRAIN_LIMIT_S
    largest_mb, seen, done = 0.0, 0, 0
    while True:
        requests = stage.erp.requests()
        done += sum(one.posted and one.key in keys for one in requests[seen:])
        seen = len(requests)
        largest_mb = max(largest_mb, processes.rss_mb(stage.contender.pids()["worker"]))
        if done >= orders:
            return done, stage.cpu(), largest_mb
        if time.monotonic() > deadline:
            raise TimeoutError(f"{done} of {orders} orders within {DRAIN_LIMIT_S:.0f} s")
        time.sleep(SAMPLE_S)
