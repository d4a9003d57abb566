"""Measures one contender once at an ERP without a limit: intake and pipeline. Proved against the ERP's own log, else void."""

import time

from bench import processes
from bench.contenders import Contender
from bench.limits import Limits
from bench.load import pour
from bench.orders import webhooks
from bench.services import Site
from bench.stage import DRAIN_LIMIT_S, SETTLE_S, WARM_UP, Run, Stage, per_1000


def pipeline(contender: Contender, site: Site, *, orders: int, service_s: float) -> Run:
    """Orders per second from a full backlog to the ERP's log, and CPU seconds per 1000 orders by role.

    The workers are warmed up and then frozen while the backlog is poured, so that boot is not measured and the backlog is full.
    """
    with Stage(contender, site, Limits(service_s)) as stage:
        stage.intake()
        stage.workers()
        workers = contender.pids()["worker"]
        processes.freeze(workers)
        keys = stage.accept(WARM_UP, orders)
        before, cores = stage.cpu(), processes.cores_s()
        began = time.monotonic()
        processes.thaw(workers)
        if not stage.erp.wait_for(keys, DRAIN_LIMIT_S):
            return Run(contender.name, {}, f"not drained within {DRAIN_LIMIT_S:.0f} s: {stage.erp.verdict(keys)}")
        worked_s, all_s = (now - then for now, then in zip(processes.cores_s(), cores, strict=True))
        ended = max(posting.at_s for posting in stage.erp.postings())
        time.sleep(SETTLE_S)
        figures = {
            "orders_per_s": orders / (ended - began),
            "cores_busy": worked_s / all_s,
            **per_1000(before, stage.cpu(), orders),
        }
        return Run(contender.name, figures, stage.erp.verdict(keys | stage.warm))


def intake(contender: Contender, site: Site, *, orders: int, connections: int) -> Run:
    """Accepted webhooks per second and their latency in a closed loop, CPU per 1000; the workers then prove all are there."""
    with Stage(contender, site, Limits(0.0)) as stage:
        stage.intake()
        batch = list(webhooks(WARM_UP, orders))
        before, own = stage.cpu(), time.process_time()
        poured = pour(stage.url, batch, connections=connections)
        own = time.process_time() - own
        time.sleep(SETTLE_S)
        figures = {
            "accepted_per_s": poured.accepted_per_s,
            "p50_ms": poured.p50_ms,
            "p99_ms": poured.p99_ms,
            **per_1000(before, stage.cpu(), orders),
            "load_cpu_s_per_1000": own * 1000 / orders,
        }
        keys = {str(key) for key in poured.answered} | stage.warm
        contender.start_workers(stage.services, stage.erp.url)
        stage.erp.wait_for(keys, DRAIN_LIMIT_S)
        refused = "" if poured.accepted == orders else f"answers were {poured.statuses}; "
        return Run(contender.name, figures, refused + stage.erp.verdict(keys))
