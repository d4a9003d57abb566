"""Taskiq doing the job: acknowledged when executed; a failed task goes to the dead letters first, confirmed."""

from typing import Any

from aio_pika import DeliveryMode, Message
from taskiq import TaskiqEvents, TaskiqMessage, TaskiqMiddleware, TaskiqResult, TaskiqState
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue, QueueType

from bench.peers.in_loop import Clients
from bench.peers.wiring import wiring

QUEUE = "peer.taskiq"
DEAD = "peer.taskiq.dead"


class DeadLetters(TaskiqMiddleware):
    """Keeps a failed task's message: taskiq itself would acknowledge it."""

    async def on_error(
        self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException
    ) -> None:  # taskiq calls it so
        raw = self.broker.formatter.dumps(message).message
        if broker.write_channel is None:
            raise RuntimeError("the broker was not started") from exception
        await broker.write_channel.default_exchange.publish(
            Message(raw, headers={"error": type(exception).__name__}, delivery_mode=DeliveryMode.PERSISTENT), routing_key=DEAD
        )


broker = AioPikaBroker(
    f"{wiring().amqp_url}?heartbeat=60",
    qos=wiring().slots,
    exchange=Exchange(name="peer.taskiq", declare=True),
    task_queues=[Queue(name=QUEUE, type=QueueType.CLASSIC, max_priority=10 if wiring().priorities else None)],
    dead_letter_queue=Queue(name=DEAD, type=QueueType.CLASSIC),
).with_middlewares(DeadLetters())

clients = Clients(wiring())


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _open(_: TaskiqState) -> None:
    await clients.open()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def _close(_: TaskiqState) -> None:
    await clients.close()


@broker.task(task_name="peer.order")
async def order(body: str) -> None:
    """Do one order."""
    await clients.handle(body.encode())
