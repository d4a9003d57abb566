"""Runs the processes of the fleet: one command a role, and `up` for all of them on one machine."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from workers.cli.exits import Exit
from workers.cli.output import fail, say
from workers.cli.wiring import broker_url, listenable, open_ledger, settings

if TYPE_CHECKING:
    from config.settings import Secrets, Settings

ReadyFile = Annotated[Path | None, typer.Option(help="Touch this file once the process works.", hidden=True)]


def receiver(
    host: Annotated[str | None, typer.Option(help="Address to listen on (MILLRACE_RECEIVER_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port (MILLRACE_RECEIVER_PORT).")] = None,
) -> None:
    """Accept webhooks: POST /in/SOURCE, durable before the answer. Also GET /health, /ready, /metrics."""
    from workers.leaving import leave
    from workers.roles import run_receiver

    loaded, secrets = _configured()
    place = host or loaded.receiver_host, loaded.receiver_port if port is None else port
    listenable(*place)
    run_receiver(loaded, secrets, *place)
    leave()


def relay(ready_file: ReadyFile = None) -> None:
    """Publish rows whose message was never confirmed or got lost. Run one or more."""
    from workers.roles import run_relay

    run_relay(*_configured(), ready_file)


def recorder(ready_file: ReadyFile = None) -> None:
    """File dead letters and park the rows they name. Run one or more."""
    from workers.roles import run_recorder

    run_recorder(*_configured(), ready_file)


def worker(
    pool: Annotated[str, typer.Argument(help="A pool of the fleet file, for example prepare or deliver.")],
    concurrency: Annotated[int | None, typer.Option(min=1, help="Processes or threads; default: the pool's.")] = None,
    name: Annotated[str | None, typer.Option(help="Worker name, unique; default: pool and process number.")] = None,
    ready_file: ReadyFile = None,
) -> None:
    """Work on the families of one pool: prefork processes prepare, threads deliver. Run as many as needed."""
    from config.nearest import hint
    from workers.roles import run_worker

    loaded, secrets = _configured()
    if pool not in loaded.fleet.pools:
        fail(f"no pool {pool!r}; {hint(pool, loaded.fleet.pools)}", Exit.NOT_FOUND)
    if loaded.fleet.pools[pool].kind == "prefork" and loaded.metrics_port and not loaded.metrics_dir:
        _begin_again_sharing_metrics(loaded)
    run_worker(loaded, secrets, pool, concurrency, name, ready_file)


def flower(ready_file: ReadyFile = None) -> None:
    """Watch and scale the workers in a browser; needs MILLRACE_FLOWER_LOGIN=user:password, listens on loopback."""
    from config.nearest import ConfigError
    from workers.flower import run_flower

    loaded, _ = _configured(ledger=False)
    try:
        run_flower(loaded, ready_file)
    except ConfigError as error:
        fail(str(error), Exit.REFUSED)


def sandbox(
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = 8790,
    log: Annotated[Path, typer.Option(help="Append-only log of every request.")] = Path("sandbox-erp.jsonl"),
    rate: Annotated[float | None, typer.Option(min=0.001, help="Requests per second allowed.")] = None,
    burst: Annotated[int, typer.Option(min=1, help="Burst above the rate.")] = 10,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once allowed.")] = 10,
    service_ms: Annotated[float, typer.Option(min=0, help="Time a request takes.")] = 20.0,
    webhook_secret: Annotated[
        list[str] | None, typer.Option(help="Name of a secret that signs what is posted under /webhooks; repeat for several.")
    ] = None,
) -> None:
    """A make-believe ERP that speaks NetSuite's REST contract, throttles, fails on demand and keeps its own log; and the
    receiving side of a target with the adapter `open`, under /webhooks, with a log beside it.

    It takes the bearer token of MILLRACE_SECRET_SANDBOX, if that is set.
    """
    from config.settings import load_secrets
    from workers.leaving import leave
    from workers.sandbox.limits import Limits
    from workers.sandbox.serve import serve
    from workers.sandbox.webhooks.app import keys_of

    listenable(host, port)
    limits = Limits(concurrency=concurrency, rate_per_s=rate, burst=burst, service_time_ms=service_ms)
    secrets = load_secrets()
    token = secrets["SANDBOX"].decode() if "SANDBOX" in secrets else None
    try:
        keys = keys_of(secrets, tuple(webhook_secret or ()))
    except (ValueError, KeyError) as error:
        fail(f"--webhook-secret: {error}", Exit.USAGE)
    serve(host, port, log_path=log, limits=limits, token=token, webhook_keys=keys)
    leave()


def up(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of everything it makes (MILLRACE_DATA_DIR).")] = None,
) -> None:
    """Start the whole fleet on this machine: private RabbitMQ and Redis, SQLite ledger, and every role; Ctrl-C ends it."""
    from config.nearest import ConfigError
    from workers.local.service import LocalServiceError
    from workers.roles import stop_on_signals
    from workers.up import start_fleet

    loaded = settings()
    stop = stop_on_signals()
    began = time.monotonic()
    try:
        fleet = start_fleet(loaded, data_dir or loaded.data_dir, tell=say)
    except (LocalServiceError, ConfigError) as error:
        fail(str(error), Exit.UNAVAILABLE)
    with fleet:
        say(f"up after {time.monotonic() - began:.1f} s; Ctrl-C ends it")
        for what, url in fleet.urls.items():
            say(f"  {what:<9} {url}{fleet.login_of(what) if what == 'console' else ''}")
        say(f"  for other commands:  set -a; . {fleet.env_file}; set +a")
        while not stop.wait(0.5):
            died = fleet.died()
            if died:
                fail(f"{died} ended by itself; see {fleet.log_of(died)}", Exit.FAILED)


def _configured(*, ledger: bool = True) -> "tuple[Settings, Secrets]":
    from config.nearest import ConfigError
    from config.settings import load_secrets

    loaded = settings()
    broker_url(loaded)
    if ledger:
        open_ledger(loaded).close()
    try:
        return loaded, load_secrets()
    except ConfigError as error:
        fail(str(error), Exit.USAGE)


def _begin_again_sharing_metrics(loaded: "Settings") -> NoReturn:
    """Become the same command anew, with the folder in which a pool's processes share their counts: Prometheus' client
    reads its place from the environment once, when it is imported.
    """
    import os
    import tempfile

    from config.settings import environment_of
    from telemetry.metrics import launch_environment

    folder = Path(tempfile.mkdtemp(prefix="millrace-metrics-"))
    environment = environment_of(loaded.model_copy(update={"metrics_dir": str(folder)})) | launch_environment(folder)
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606  ourselves, without a shell
