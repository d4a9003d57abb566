"""Intake of the dramatiq peer: ``.send_with_options()`` with confirms, on threads as it blocks (each has its own channel)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from anyio import CapacityLimiter, to_thread

from bench.peers.dramatiq_threads.app import order
from bench.peers.intake import application

THREADS = 16
_limiter: list[CapacityLimiter] = []


async def publish(body: bytes, priority: int) -> None:
    """Send one message and wait for the broker's confirm."""
    options = {"broker_priority": priority} if priority else {}
    await to_thread.run_sync(partial(order.send_with_options, args=(body.decode(),), **options), limiter=_limiter[0])


@asynccontextmanager
async def life() -> AsyncIterator[None]:
    """Open the thread limiter on the running loop."""
    _limiter.append(CapacityLimiter(THREADS))
    yield


app = application(publish, life)
