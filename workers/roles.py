"""Runs one process by role; each starts its telemetry, works until it is told to stop, and leaves tidily.

A role's own parts are imported where it starts: a relay need not wait for Celery to load, nor a receiver for Redis.
"""
# ruff: noqa: PLC0415

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from amqp.exceptions import AccessRefused, AMQPError
from kombu import Connection

from adapters.erps.base import batch_of
from config.settings import Secrets, Settings
from config.topology import load_topology
from ledger.session import Ledger
from routing import declare, names
from routing.topology import Topology, build_topology
from tasks.context import Context
from tasks.marking import Marking
from telemetry import Name, emit, logs, metrics
from telemetry.pages import Page
from workers.bootstrap import build_channels, build_context, build_limit, close_context, now, per_process
from workers.collector import collect_seldom
from workers.waiting import ready_messages

if TYPE_CHECKING:
    from workers.peak_keeper import PeakKeeper

MARK_WITHIN_S = 3.0


def start_telemetry(
    settings: Settings, role: str, *, serve_metrics: bool = True, pages: Mapping[str, Page] | None = None
) -> metrics.Metrics:
    """Logs, metrics (with ``pages`` beside them), and where configured Sentry and OpenTelemetry, for this process."""
    configure_logs(settings)
    _report_errors(settings, role)
    if settings.otel_endpoint:
        from telemetry import otel

        otel.start(settings.otel_endpoint, service=f"millrace-{role}", version=release(), instance=role)
    measured = metrics.start(Path(settings.metrics_dir) if settings.metrics_dir else None)
    if settings.metrics_port and serve_metrics:
        measured.serve(settings.metrics_port, settings.metrics_host, pages)
    emit(Name.WORKER_START_DONE, role=role)
    return measured


def configure_logs(settings: Settings) -> None:
    """Structured logs on stderr in the settings' form and from their level on."""
    logs.configure(settings.log_level, {"json": True, "console": False}.get(settings.log_format))


def release() -> str:
    """The installed version."""
    try:
        return version("millrace")
    except PackageNotFoundError:
        return "0"


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def run_relay(settings: Settings, secrets: Secrets, ready_file: Path | None = None) -> None:
    """Sweep, run the failure desk's jobs and watch until a signal comes; tells figures to Prometheus and alerts to people."""
    from workers.jobs import JobRunner
    from workers.relay import Relay
    from workers.settlement_keeper import SettlementKeeper
    from workers.watching import Watching

    def scale() -> bytes:
        return watching.scale()

    measured = start_telemetry(settings, "relay", pages={"/scale": scale})
    context = build_context(settings, secrets, delivers=False)
    relay = Relay(context, messages_in(settings.broker_url.get_secret_value()))
    watching = Watching(settings, context.ledger, measured)
    keeper = _peak_keeper(settings, context)
    settling = SettlementKeeper(context)
    beside = {"jobs": JobRunner(context).run, "peaks": keeper.run, "settling": settling.run, "watching": watching.run}

    def run(stop: threading.Event) -> None:
        threads = [threading.Thread(target=loop, args=(stop,), name=name) for name, loop in beside.items()]
        for thread in threads:
            thread.start()
        relay.run(stop)
        for thread in threads:
            thread.join(30)

    _until_stopped("relay", context, run, ready_file)


def _peak_keeper(settings: Settings, context: Context) -> "PeakKeeper":
    from workers.lanes import Lookout
    from workers.peak_keeper import PeakKeeper
    from workers.peak_pools import PoolSizes

    def sizes() -> PoolSizes:
        from workers.peak_remote import CeleryRemote

        return PoolSizes(CeleryRemote(settings.broker_url.get_secret_value()))

    return PeakKeeper(context, Lookout(settings.fleet, context.ledger, redis_url=settings.redis_url.get_secret_value()), sizes)


def run_recorder(settings: Settings, secrets: Secrets, ready_file: Path | None = None) -> None:
    """Record dead letters until a signal comes."""
    from workers.recorder import Recorder

    start_telemetry(settings, "recorder")
    context = build_context(settings, secrets, delivers=False)
    queues = (*topology_of(settings).dead_queues, names.UNROUTED)
    recorder = Recorder(context, settings.broker_url.get_secret_value(), queues)
    _until_stopped("recorder", context, recorder.run, ready_file)


def run_receiver(settings: Settings, secrets: Secrets, host: str, port: int) -> None:
    """Accept webhooks until a signal comes. Raises ConfigError for a channel or secret that is not there."""
    from workers.receiver.doors import Intake, classify_by, doors_of
    from workers.receiver.server import serve

    fleet = settings.fleet
    channels = build_channels(fleet)
    doors = doors_of(fleet, secrets, channels)
    measured = start_telemetry(settings, "receiver", serve_metrics=False)
    ledger = Ledger(settings.ledger_url.get_secret_value())
    try:
        broker = settings.broker_url.get_secret_value()
        collect_seldom()
        serve(Intake(doors, classify_by(fleet, channels), ledger, broker, measured.exposition, now), host=host, port=port)
    finally:
        ledger.close()


def run_console(settings: Settings, secrets: Secrets, host: str, port: int, ready_file: Path | None = None) -> None:
    """Show the fleet in a browser until a signal comes. Raises ConfigError without users."""
    from workers.console.serve import serve_console

    start_telemetry(settings, "console", serve_metrics=False)
    serve_console(settings, secrets, host, port, lambda: touch(ready_file))


def run_worker(
    settings: Settings, secrets: Secrets, pool_name: str, concurrency: int | None, name: str | None, ready_file: Path | None
) -> None:
    """Work on one pool's families until a signal comes. Raises ConfigError."""
    from tasks.celery_tasks import register
    from workers.app import make_app, make_worker, use_own_logging, when_ready
    from workers.fetch.parts import SLOT_FREE_S, Rules
    from workers.fetch.permits import PermitBook
    from workers.plan import LedgerPlan

    pool = settings.fleet.pools[pool_name]
    start_telemetry(settings, f"worker-{pool_name}")
    use_own_logging(lambda: configure_logs(settings), in_child=lambda: _join_telemetry(settings, pool_name))
    warn_of_drift(settings)
    context_of = per_process(lambda: build_context(settings, secrets))
    parent = build_context(settings, secrets)
    if pool.kind == "threads":
        parent = replace(parent, marking=Marking(parent.ledger, now).start())
    permits = PermitBook(parent.throttles)
    topology = topology_of(settings)
    app = make_app(
        settings.broker_url.get_secret_value(),
        queues=sorted(topology.work_queues),
        families=pool.families,
        plan=LedgerPlan(parent.ledger, settings.fleet),
        permits=permits,
        rules={
            names.lane(name): Rules(t.bundle, SLOT_FREE_S, build_limit(name, t), partial(batch_of, parent.erps[name]))
            for name, t in settings.fleet.targets.items()
        },
        pool_name=pool_name,
    )
    register(app, parent.topology.domains, (lambda: parent) if pool.kind == "threads" else context_of, permits)
    # Two live workers of one name would fight for one control queue.
    worker_name = f"{name or f'{pool_name}-{os.getpid()}'}@{socket.gethostname().partition('.')[0]}"
    worker = make_worker(app, pool=pool.kind, concurrency=concurrency or pool.concurrency, hostname=worker_name)
    when_ready(lambda: touch(ready_file))
    collect_seldom()
    try:
        worker.start()
    finally:
        if parent.marking is not None:
            parent.marking.close(MARK_WITHIN_S)
        if settings.metrics_dir:
            shutil.rmtree(settings.metrics_dir, ignore_errors=True)
    sys.exit(worker.exitcode or 0)


def _join_telemetry(settings: Settings, pool_name: str) -> None:
    """In a forked process of a pool: logs and error reports of its own; its counts go to the parent's folder."""
    configure_logs(settings)
    _report_errors(settings, f"worker-{pool_name}")


def _report_errors(settings: Settings, role: str) -> None:
    dsn = settings.sentry_dsn.get_secret_value()
    if dsn:
        from telemetry import sentry

        sentry.start(dsn, release(), settings.environment, server_name=role)


def topology_of(settings: Settings) -> Topology:
    """The topology that the settings' targets ask for."""
    return build_topology(load_topology(), settings.fleet.targets)


def warn_of_drift(settings: Settings) -> None:
    """Tell what the broker has otherwise than wanted; never a reason not to start."""
    try:
        with Connection(settings.broker_url.get_secret_value(), connect_timeout=5) as connection:
            wrong = [f for f in declare.inspect(connection, topology_of(settings)) if f.state != "ok"]
    except AccessRefused:
        # A worker's broker user need not be one that may declare; `millrace topology check` is run by one that may.
        return
    except (OSError, AMQPError) as error:
        emit(Name.BROKER_CONNECTION_LOST, role="worker", error=error)
        return
    for finding in wrong:
        emit(Name.TOPOLOGY_DRIFT_SEEN, queue=finding.name, state=finding.state)
    if wrong:
        sys.stderr.write(f"millrace: {len(wrong)} queues or exchanges are not as wanted; see millrace topology diff\n")


def messages_in(broker_url: str) -> Callable[[Collection[str]], Mapping[str, int]]:
    """Asks the broker what is ready in the queues of some lanes; a queue that cannot be asked is not in the answer."""

    def count(lanes: Collection[str]) -> Mapping[str, int]:
        try:
            with Connection(broker_url, connect_timeout=5) as connection:
                return ready_messages(connection, lanes)
        except (OSError, AMQPError):
            return {}

    return count


def touch(ready_file: Path | None) -> None:
    """Say by a file that the process works, if somebody waits for it."""
    if ready_file is not None:
        ready_file.touch()


def _until_stopped(role: str, context: Context, run: Callable[[threading.Event], None], ready_file: Path | None) -> None:
    stop = stop_on_signals()
    touch(ready_file)
    try:
        run(stop)
    finally:
        close_context(context)
        emit(Name.WORKER_STOP_DONE, role=role)
