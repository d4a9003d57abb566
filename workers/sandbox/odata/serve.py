"""Serving an OData sandbox over HTTP until it is told to stop: ``python -m workers.sandbox.odata business-central``."""

import argparse
import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from workers.sandbox.business_central.service import BusinessCentral
from workers.sandbox.dataverse.service import Dataverse
from workers.sandbox.faults import Fault, Faults
from workers.sandbox.journal import Journal
from workers.sandbox.odata.app import ODataSandbox
from workers.sandbox.odata.calls import Service
from workers.sandbox.odata.gate import QueueGate, ServiceLimits
from workers.sandbox.serve import serve_app, until_told
from workers.sandbox.tokens import Tokens

SERVICES: Mapping[str, tuple[Callable[[], Service], ServiceLimits]] = {
    "business-central": (BusinessCentral, ServiceLimits()),
    "dataverse": (Dataverse, ServiceLimits(concurrency=52, queue=0)),
}
"""Service and its documented limits by the adapter's name."""


async def serve_until(
    stop: asyncio.Event,
    service: str,
    host: str,
    port: int,
    *,
    log_path: Path,
    token: str | None = None,
    limits: ServiceLimits | None = None,
    faults: tuple[Fault, ...] = (),
) -> None:
    """Serve until ``stop`` is set. ``token`` is a bearer token that is always good; ``log_path`` is appended to."""
    build, documented = SERVICES[service]
    journal = Journal(log_path)
    armed = Faults()
    for fault in faults:
        armed.arm(fault)
    app = ODataSandbox(journal, QueueGate(limits or documented), build(), faults=armed, tokens=Tokens(token))
    await serve_app(stop, app, host, port)
    journal.close()


def main() -> None:
    """Serve one service on the loopback until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True, help="append-only log of every request")
    parser.add_argument("--token", help="a bearer token that is always good")
    told = parser.parse_args()
    serving = partial(serve_until, service=told.service, host="127.0.0.1", port=told.port, log_path=told.log, token=told.token)
    asyncio.run(until_told(serving))
