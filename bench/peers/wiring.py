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
    )
