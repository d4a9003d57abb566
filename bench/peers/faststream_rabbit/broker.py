"""The FastStream peer's queues, the same for its intake and its workers."""

from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue

from bench.peers.wiring import wiring

DEAD_EXCHANGE = RabbitExchange("peer.faststream.dead", type=ExchangeType.FANOUT, durable=True)
DEAD_QUEUE = RabbitQueue("peer.faststream.dead", durable=True)
_ARGUMENTS = {"x-dead-letter-exchange": DEAD_EXCHANGE.name} | ({"x-max-priority": 10} if wiring().priorities else {})
QUEUE = RabbitQueue("peer.faststream", durable=True, arguments=_ARGUMENTS)


def broker() -> RabbitBroker:
    """A broker with publisher confirms (the channel's default) and as many messages in hand as the wiring says."""
    return RabbitBroker(f"{wiring().amqp_url}?heartbeat=60", default_channel=Channel(prefetch_count=wiring().slots))


async def declare(rabbit: RabbitBroker) -> None:
    """Declare the work queue and the dead letters."""
    dead = await rabbit.declare_queue(DEAD_QUEUE)
    await dead.bind(await rabbit.declare_exchange(DEAD_EXCHANGE))
    await rabbit.declare_queue(QUEUE)
