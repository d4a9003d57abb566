"""Does the job with asyncio clients: an asyncpg pool, an aiohttp session kept alive."""

import asyncio
import time

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # ships no types

from bench.peers import job
from bench.peers.wiring import Wiring

TAKE = "INSERT INTO orders (order_key, status, total) VALUES ($1, 'taken', $2) ON CONFLICT DO NOTHING"
POSTED = "SELECT 1 FROM orders WHERE order_key = $1 AND status = 'posted'"
FINISH = "UPDATE orders SET status = 'posted', posted_at = now() WHERE order_key = $1"
DATABASE_CONNECTIONS = 8


class Clients:
    """The connections of one worker process; opened and closed on its event loop."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

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
        order = job.read(body)
        taken = await self._pool.execute(TAKE, order.key, order.total)
        if taken == "INSERT 0 0" and await self._posted_by_another(order.key):
            return
        url = self._wiring.erp_url + job.posting_path(order.key)
        async with self._http.put(url, data=order.body) as answer:
            if answer.status != 204:
                raise RuntimeError(f"order {order.key}: the ERP answered {answer.status}")
        await self._pool.execute(FINISH, order.key)

    async def _posted_by_another(self, key: str) -> bool:
        """Whether whoever took the order first posted it; False when it did not in time: it died, the order is ours."""
        deadline = time.monotonic() + job.CLAIM_S
        while not (posted := await self._pool.fetchval(POSTED, key)) and time.monotonic() < deadline:  # noqa: ASYNC110  # a row
            await asyncio.sleep(job.CLAIM_POLL_S)
        return posted is not None


async def _leave_as_is(connection: asyncpg.Connection) -> None:
    """Spare the round trip a pool resets a connection with: nothing here changes a connection's settings."""
