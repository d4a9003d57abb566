"""Intake of the dramatiq peer: ``.send()`` with confirms, on threads because it blocks (each thread keeps its own channel)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, to_thread

from bench.peers.dramatiq_threads.app import order
from bench.peers.intake import application

THREADS = 16
_limiter: list[CapacityLimiter] = []


async def publish(body: bytes) -> None:
    """Send one message and wait for the broker's confirm."""
    await to_thread.run_sync(order.send, body.decode(), limiter=_limiter[0])


@asynccontextmanager
async def life() -> AsyncIterator[None]:
    """Open the thread limiter on the running loop."""
    _limiter.append(CapacityLimiter(THREADS))
    yield


app = application(publish, life)
