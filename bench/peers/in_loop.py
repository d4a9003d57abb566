"""Does the job with asyncio clients: an asyncpg pool, an aiohttp session kept alive."""

import asyncio
import time

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # ships no types

from bench.peers import job
from bench.peers.share import COME_AGAIN_S, MOST_REFUSALS, RefusedError, share_of
from bench.peers.wiring import Wiring

TAKE = "INSERT INTO orders (order_key, status, total) VALUES ($1, 'taken', $2) ON CONFLICT DO NOTHING"
POSTED = "SELECT 1 FROM orders WHERE order_key = $1 AND status = 'posted'"
FINISH = "UPDATE orders SET status = 'posted', posted_at = now() WHERE order_key = $1"
DATABASE_CONNECTIONS = 8


class Clients:
    """The connections of one worker process; opened and closed on its event loop."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._share = share_of(wiring)

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            self._wiring.database_url, min_size=DATABASE_CONNECTIONS, max_size=DATABASE_CONNECTIONS, reset=_leave_as_is
        )
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._wiring.slots),
            timeout=aiohttp.ClientTimeout(10.0),
            headers={"Content-Type": "application/json"},
        )

    async def close(self) -> None:
        await self._http.close()
        await self._pool.close()

    async def handle(self, body: bytes) -> None:
        """Do one order: once in the table, once in the ERP. Raises when the message belongs to the dead letters."""
        if self._share:
            await asyncio.sleep(self._share.wait_s())
        order = job.read(body)
        if not await self._take(order):
            return None
        for _ in range(MOST_REFUSALS):
            try:
                return await self._post(order)
            except RefusedError:
                await asyncio.sleep(COME_AGAIN_S + (self._share.wait_s() if self._share else 0.0))
        raise RuntimeError(f"order {order.key}: refused {MOST_REFUSALS} times")

    async def _take(self, order: job.Order) -> bool:
        """Take the order for this worker; False when it is in the ERP already."""
        if await self._pool.execute(TAKE, order.key, order.total) != "INSERT 0 0":
            return True
        if await self._posted_by_another(order.key):
            return False
        # Whoever had it died on the way: the ERP knows whether it arrived.
        async with self._http.get(self._wiring.erp_url + job.posting_path(order.key)) as answer:
            if answer.status != 200:
                return True
        await self._pool.execute(FINISH, order.key)
        return False

    async def _post(self, order: job.Order) -> None:
        """Post an order that was taken. Raises RefusedError when the ERP throttles, RuntimeError for every other refusal."""
        async with self._http.put(self._wiring.erp_url + job.posting_path(order.key), data=order.body) as answer:
            if answer.status == 429:
                raise RefusedError(order.key)
            if answer.status != 204:
                raise RuntimeError(f"order {order.key}: the ERP answered {answer.status}")
        await self._pool.execute(FINISH, order.key)

    async def _posted_by_another(self, key: str) -> bool:
        """Whether whoever took the order first posted it; False when it did not in time: it died, the order is ours."""
        deadline = time.monotonic() + self._wiring.claim_s
        while not (posted := await self._pool.fetchval(POSTED, key)) and time.monotonic() < deadline:  # noqa: ASYNC110  # a row
            await asyncio.sleep(job.CLAIM_POLL_S)
        return posted is not None


async def _leave_as_is(connection: asyncpg.Connection) -> None:
    """Spare the round trip a pool resets a connection with: nothing here changes a connection's settings."""
