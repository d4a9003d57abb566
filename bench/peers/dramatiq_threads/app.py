"""Dramatiq doing the job: it acknowledges late by nature and dead-letters what failed; middleware cut to what the job needs."""

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import Retries, ShutdownNotifications

from bench.peers import in_threads
from bench.peers.wiring import wiring

QUEUE = "peer.dramatiq"

broker = RabbitmqBroker(
    url=f"{wiring().amqp_url}?heartbeat=60",
    confirm_delivery=True,
    max_priority=10 if wiring().priorities else None,
    middleware=[ShutdownNotifications(), Retries(max_retries=0)],
)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def order(body: str) -> None:
    """Do one order."""
    in_threads.handle(body.encode())
