"""The intake all peers share: a FastAPI application that checks, dedupes, and answers 2xx once the message is durable.

A peer brings only its way to publish. The event id is looked up before and remembered after the broker's confirm, so a crash
in between costs a duplicate (the workers' table catches it) and never an order; remembering is batched and not waited for.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI, Request, Response
from redis.asyncio import Redis

from bench.peers import job
from bench.peers.wiring import wiring

KEPT_S = 86_400
FLUSH_S = 0.02

EXPRESS = 9

Publish = Callable[[bytes, int], Awaitable[object]]


class Seen:
    """Event ids already taken in."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._fresh: list[str] = []

    async def has(self, event: str) -> bool:
        return bool(await self._redis.exists(event))

    def add(self, event: str) -> None:
        self._fresh.append(event)

    async def flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            fresh, self._fresh = self._fresh, []
            if fresh:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for event in fresh:
                        pipe.set(event, 1, ex=KEPT_S)
                    await pipe.execute()


def application(publish: Publish, life: Callable[[], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Build the intake around a ``publish(body, priority)`` that returns after the confirm; ``life`` opens the broker."""
    told = wiring()
    redis = Redis.from_url(told.redis_url)
    seen = Seen(redis)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with life():
            flushing = asyncio.create_task(seen.flush_for_ever())
            yield
            flushing.cancel()
            await redis.aclose()

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.post("/in/shop")
    async def take(request: Request) -> Response:
        body = await request.body()
        if not job.genuine(body, request.headers.get("x-shopify-hmac-sha256", "")):
            return Response(status_code=401)
        event = request.headers["x-shopify-event-id"]
        if told.intake_dedupe and await seen.has(event):
            return Response(status_code=200)
        await publish(body, EXPRESS if told.priorities and job.express(body) else 0)
        if told.intake_dedupe:
            seen.add(event)
        return Response(status_code=202)

    @app.get("/health")
    async def health() -> Response:
        return Response(status_code=200)

    return app
