"""Plain Celery doing the job: late acks, failures rejected to a dead-letter exchange, confirmed publishing."""

from celery import Celery
from celery.signals import worker_init
from kombu import Exchange, Queue

from bench.peers import in_threads
from bench.peers.wiring import wiring

QUEUE = "peer.celery"
DEAD = Exchange("peer.celery.dead", "fanout")

app = Celery("peer", broker=wiring().amqp_url)
app.conf.update(
    task_queues=[
        Queue(QUEUE, Exchange("peer.celery", "direct"), QUEUE, queue_arguments={"x-dead-letter-exchange": DEAD.name}),
    ],
    task_default_queue=QUEUE,
    task_default_exchange="peer.celery",
    task_default_routing_key=QUEUE,
    task_acks_late=True,
    task_acks_on_failure=False,
    task_ignore_result=True,
    task_create_missing_queues=False,
    worker_prefetch_multiplier=4,
    worker_enable_prefetch_count_reduction=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_heartbeat=60,
    broker_pool_limit=16,
    broker_transport_options={"confirm_publish": True},
)


def declare_dead_letters() -> None:
    """Declare the dead-letter exchange with its queue."""
    with app.connection_for_write() as connection:
        Queue("peer.celery.dead", DEAD)(connection).declare()


@worker_init.connect
def _prepare(**_: object) -> None:
    declare_dead_letters()


@app.task(name="peer.order")
def order(body: str) -> None:
    """Do one order."""
    in_threads.handle(body.encode())
