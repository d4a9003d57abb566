"""Intake of the plain Celery peer: ``.delay()`` with confirms, on threads because it blocks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, to_thread

from bench.peers.celery_threads.app import declare_dead_letters, order
from bench.peers.intake import application

THREADS = 16
_limiter: list[CapacityLimiter] = []


async def publish(body: bytes) -> None:
    """Send one task and wait for the broker's confirm."""
    await to_thread.run_sync(order.delay, body.decode(), limiter=_limiter[0])


@asynccontextmanager
async def life() -> AsyncIterator[None]:
    """Open the thread limiter on the running loop."""
    await to_thread.run_sync(declare_dead_letters)
    _limiter.append(CapacityLimiter(THREADS))
    yield


app = application(publish, life)
