"""Intake of the plain Celery peer: ``.apply_async()`` with confirms, on threads because it blocks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from anyio import CapacityLimiter, to_thread

from bench.peers.celery_threads.app import declare_dead_letters, order
from bench.peers.intake import application

THREADS = 16
_limiter: list[CapacityLimiter] = []


async def publish(body: bytes, priority: int) -> None:
    """Send one task and wait for the broker's confirm."""
    await to_thread.run_sync(partial(order.apply_async, (body.decode(),), priority=priority), limiter=_limiter[0])


@asynccontextmanager
async def life() -> AsyncIterator[None]:
    """Open the thread limiter on the running loop."""
    await to_thread.run_sync(declare_dead_letters)
    _limiter.append(CapacityLimiter(THREADS))
    yield


app = application(publish, life)
