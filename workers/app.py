"""Runs the Celery app of a worker: the measured base configuration, our fetching, our pools; all given by parameter."""

import logging
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_ready
from kombu import Exchange, Queue

from routing import names
from workers import control
from workers.fetch.consumer import SafeConsumer, Serving
from workers.fetch.parts import Rules
from workers.fetch.permits import PermitBook
from workers.fetch.plan import Plan
from workers.pools import STOP_WAIT_S, ProcessPool, ThreadPool

PoolKind = Literal["prefork", "threads"]

HEARTBEAT_S = 30
IO_WAIT_S = 20
CONNECT_WAIT_S = 10
LOST_WAIT_S = 3.0
"""How long the answer of a process that ended may still be under way before its message goes back."""


def make_app(
    broker_url: str,
    *,
    queues: Iterable[str],
    families: Iterable[str],
    plan: Plan,
    permits: PermitBook,
    rules: Mapping[str, Rules],
    task_events: bool = False,
    tls: Mapping[str, Any] | None = None,
    name: str = "millrace",
    pool_name: str = "",
) -> Celery:
    """The app of one worker. ``queues`` are all work queues of the topology, ``families`` the lanes it begins with, ``rules``
    bounds the parts in which the messages of each target's lane are handed out.

    Task events are sent once somebody asks the workers for them, as Flower does: they cost as much as all the rest of a task.
    Nothing is connected or declared. Register the tasks on it with ``tasks.celery_tasks.register``, giving it the
    same ``permits``.
    """
    known = {queue: _undeclared(queue) for queue in queues}
    serving = Serving(tuple(families), known, plan, permits, rules)
    app = Celery(name, set_as_current=False)
    app.conf.update(
        _reliability()
        | _connection(broker_url, tls)
        | {
            "task_queues": list(known.values()),
            "task_default_queue": next(iter(known)),
            "worker_consumer": type("ServingConsumer", (SafeConsumer,), {"serving": serving}),
            "worker_send_task_events": task_events,
            "millrace_pool": pool_name,
        }
    )
    control.install()
    return app


def make_worker(
    app: Celery,
    *,
    pool: PoolKind,
    concurrency: int,
    hostname: str | None = None,
    stop_wait_s: float = STOP_WAIT_S,
    **options: Any,
) -> Any:
    """The worker of the app; ``start()`` runs it until SIGTERM, a remote shutdown, or ``stop()``.

    ``stop_wait_s`` bounds the warm shutdown. Further ``options`` are Celery's (``loglevel``, ``logfile``).
    """
    kind = ThreadPool if pool == "threads" else ProcessPool
    bounded = type(kind.__name__, (kind,), {"stop_wait_s": stop_wait_s})
    app.conf.millrace_size = concurrency
    quiet = {"without_gossip": True, "without_mingle": True, "quiet": True}
    return app.Worker(pool=bounded, concurrency=concurrency, hostname=hostname, **quiet, **options)


def use_own_logging(configure: Callable[[], None], in_child: Callable[[], None]) -> None:
    """Have Celery leave logging to ``configure``; ``in_child`` is called in every process that a pool forks."""
    setup_logging.connect(lambda **_: _configure_quietly(configure), weak=False)
    worker_process_init.connect(lambda **_: in_child(), weak=False)


def _configure_quietly(configure: Callable[[], None]) -> None:
    # Two lines a task, formatted and masked, cost as much as fetching it; what became of its rows is told by our own events.
    configure()
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


def when_ready(act: Callable[[], None]) -> None:
    """Call ``act`` once the worker of this process consumes."""
    worker_ready.connect(lambda **_: act(), weak=False)


def _undeclared(queue: str) -> Queue:
    exchange = Exchange(names.WORK_EXCHANGE, "direct", no_declare=True)
    return Queue(queue, exchange, routing_key=queue, no_declare=True)


def _reliability() -> dict[str, Any]:
    return {
        "task_acks_late": True,
        "task_acks_on_failure": False,
        # Quorum queues with a delivery limit: what kills or outlasts its process comes back, and not for ever.
        "task_acks_on_timeout": False,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "result_backend": None,
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_enable_prefetch_count_reduction": False,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_detect_quorum_queues": False,
        "worker_disable_rate_limits": True,
        "worker_lost_wait": LOST_WAIT_S,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "enable_utc": True,
        "timezone": "UTC",
    }


def _connection(broker_url: str, tls: Mapping[str, Any] | None) -> dict[str, Any]:
    verified = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None} | dict(tls) if tls is not None else None
    return {
        "broker_url": broker_url,
        "broker_use_ssl": verified,
        "broker_heartbeat": HEARTBEAT_S,
        "broker_connection_timeout": CONNECT_WAIT_S,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        # No confirms here: this app publishes events and control answers only, and each confirm would hold up the loop.
        "broker_transport_options": {"read_timeout": IO_WAIT_S, "write_timeout": IO_WAIT_S},
        "control_queue_exclusive": True,
        "event_queue_exclusive": True,
        "worker_enable_remote_control": True,
    }
