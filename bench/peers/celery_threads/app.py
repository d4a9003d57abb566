"""Plain Celery doing the job: late acks, failures rejected to a dead-letter exchange, confirmed publishing.

At a throttled ERP it knows two ways of its own: ``rate_limit`` on the task, and retrying what was refused.
"""

from celery import Celery, Task
from celery.signals import worker_init
from kombu import Exchange, Queue

from bench.peers import in_threads, job
from bench.peers.share import COME_AGAIN_S, RefusedError
from bench.peers.wiring import wiring

QUEUE = "peer.celery"
DEAD = Exchange("peer.celery.dead", "fanout")

told = wiring()
arguments = {"x-dead-letter-exchange": DEAD.name} | ({"x-max-priority": 10} if told.priorities else {})
app = Celery("peer", broker=told.amqp_url)
app.conf.update(
    task_queues=[
        Queue(QUEUE, Exchange("peer.celery", "direct"), QUEUE, queue_arguments=arguments),
    ],
    task_default_queue=QUEUE,
    task_default_exchange="peer.celery",
    task_default_routing_key=QUEUE,
    task_acks_late=True,
    task_acks_on_failure=False,
    task_ignore_result=True,
    task_create_missing_queues=False,
    worker_prefetch_multiplier=1 if told.priorities else 4,
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


def _rate_limit() -> str | None:
    return f"{told.rate_per_s}/s" if told.throttle == "rate_limit" else None


@worker_init.connect
def _prepare(**_: object) -> None:
    declare_dead_letters()


@app.task(name="peer.order", bind=True, max_retries=None, rate_limit=_rate_limit())
def order(self: Task, body: str, taken: bool = False) -> None:
    """Do one order."""
    if told.throttle != "retry":
        return in_threads.handle(body.encode())
    read = job.read(body.encode())
    if taken or in_threads.take(read):
        try:
            in_threads.post(read)
        except RefusedError:
            raise self.retry(args=(body, True), countdown=COME_AGAIN_S) from None
    return None
