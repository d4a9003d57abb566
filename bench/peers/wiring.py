"""Reads where a peer finds its services: the peers start through their own command lines, which carry only the environment."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wiring:
    """Addresses and sizes of one peer process."""

    amqp_url: str
    database_url: str
    redis_url: str
    erp_url: str
    slots: int
    """Orders one worker process has in hand at once."""
    intake_dedupe: bool
    throttle: str
    """How the process keeps to the ERP's limit: ``share`` (its part, split by hand), ``rate_limit`` (Celery's own), ``retry``
    (not at all: it comes again after a refusal), empty where the ERP has no limit."""
    rate_per_s: float
    """This process's part of the ERP's calls a second."""
    burst: int
    claim_s: float
    """How long an order taken by one worker is left to it; only duplicates and redeliveries ever wait for that."""
    priorities: bool
    """Whether express orders go first, by the broker's in-queue priority."""


def wiring() -> Wiring:
    """Read the wiring. Raises KeyError when a peer was not started by the bench."""
    env = os.environ
    return Wiring(
        amqp_url=env["BENCH_AMQP_URL"],
        database_url=env["BENCH_DATABASE_URL"],
        redis_url=env["BENCH_REDIS_URL"],
        erp_url=env["BENCH_ERP_URL"],
        slots=int(env.get("BENCH_SLOTS", "16")),
        intake_dedupe=env.get("BENCH_INTAKE_DEDUPE", "1") == "1",
        throttle=env.get("BENCH_THROTTLE", ""),
        rate_per_s=float(env.get("BENCH_RATE_PER_S", "0")),
        burst=int(env.get("BENCH_BURST", "1")),
        claim_s=float(env.get("BENCH_CLAIM_S", "30")),
        priorities=env.get("BENCH_PRIORITIES", "0") == "1",
    )
