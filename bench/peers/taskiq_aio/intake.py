"""Intake of the taskiq peer: ``.kiq()`` returns after the broker's confirm."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.peers.intake import application
from bench.peers.taskiq_aio.app import broker, order


async def publish(body: bytes, priority: int) -> None:
    """Send one task and wait for the broker's confirm."""
    task = order.kicker().with_labels(priority=priority) if priority else order
    await task.kiq(body.decode())


@asynccontextmanager
async def life() -> AsyncIterator[None]:
    """Open and close the broker with the application."""
    await broker.startup()
    yield
    await broker.shutdown()


app = application(publish, life)
