"""Intake of the FastStream peer: a persistent publish that returns after the broker's confirm."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.peers.faststream_rabbit.broker import QUEUE, broker, declare
from bench.peers.intake import application

rabbit = broker()


async def publish(body: bytes, priority: int) -> None:
    """Send one message and wait for the broker's confirm."""
    await rabbit.publish(body, queue=QUEUE, persist=True, priority=priority, content_type="application/octet-stream")


@asynccontextmanager
async def life() -> AsyncIterator[None]:
    """Open and close the broker with the application."""
    await rabbit.connect()
    await declare(rabbit)
    yield
    await rabbit.stop()


app = application(publish, life)
