"""FastStream doing the job: acknowledged after the handler, rejected to the dead-letter exchange when it failed."""

from faststream import AckPolicy, FastStream

from bench.peers.faststream_rabbit.broker import QUEUE, broker, declare
from bench.peers.in_loop import Clients
from bench.peers.wiring import wiring

rabbit = broker()
app = FastStream(rabbit)
clients = Clients(wiring())


@app.on_startup
async def _open() -> None:
    await rabbit.connect()
    await declare(rabbit)
    await clients.open()


@app.after_shutdown
async def _close() -> None:
    await clients.close()


@rabbit.subscriber(QUEUE, ack_policy=AckPolicy.REJECT_ON_ERROR)
async def order(body: bytes) -> None:
    """Do one order."""
    await clients.handle(body)
