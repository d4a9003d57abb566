"""Runs the whole fleet on one machine: private services, tables, topology, then one process a role; all end together."""

import base64
import os
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen

from kombu import Connection
from pydantic import SecretStr

from config.fleet import Fleet
from config.settings import PREFIX, SECRET_PREFIX, Settings, environment_of
from ledger import migrate
from ledger.session import Ledger
from routing.declare import declare
from workers.console.roles import Role
from workers.console.users import Entry, hashed, write_users
from workers.local.process import Process
from workers.local.rabbitmq import start_rabbitmq
from workers.local.redis import start_redis
from workers.local.service import Service, Start, free_port, launch, secret_in, write_private
from workers.roles import topology_of

READY_S = 60.0
STOP_S = 15.0
USER, PASSWORD = "admin", "CONSOLE_PASSWORD"
"""The console's made-up user, and the file of the password."""


@dataclass(slots=True)
class RunningFleet:
    """The processes and services of one fleet; leaving the ``with`` block ends them, the workers first."""

    settings: Settings
    folder: Path
    urls: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def env_file(self) -> Path:
        """Shell file with the settings of this fleet, for other commands on the same machine."""
        return self.folder / "env"

    def fill(self, **values: object) -> None:
        """Replace settings."""
        self.settings = self.settings.model_copy(update=values)

    def died(self) -> str | None:
        """Name of a process that ended by itself, None while all run."""
        return next((name for name, process in self.processes.items() if not process.alive()), None)

    def log_of(self, name: str) -> Path:
        """Where a process's own log is."""
        return self.folder / f"{name}.log"

    def login_of(self, what: str) -> str:
        """How a person gets in to one of ``urls``, in words that follow the address; empty where nobody signs in."""
        if what == "flower":
            return f"  login {self.settings.flower_login.get_secret_value()}"
        made = self.folder / "secrets" / PASSWORD
        return f"  sign in as {USER}, password in {made}" if what == "console" and made.exists() else ""

    def stop(self) -> None:
        """End every process, then what they work with: the sandbox ERP, then the private services."""
        last = {"sandbox"}
        with ExitStack() as stack:
            stack.callback(_together, [service.stop for service in self.services])
            stack.callback(_together, [partial(_end, self.processes[name]) for name in self.processes.keys() & last])
            stack.callback(_together, [partial(_end, self.processes[name]) for name in self.processes.keys() - last])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_fleet(
    settings: Settings,
    folder: Path,
    *,
    tell: Callable[[str], None],
    flower: bool = True,
    console: bool = True,
    sandbox_options: tuple[str, ...] = (),
    known_secrets: Mapping[str, str] | None = None,
    throwaway: bool = False,
) -> RunningFleet:
    """Start what the settings leave private, then every role. ``known_secrets`` by name; those not known are made up.

    ``throwaway`` keeps nothing of the private services, which then end at once instead of in good order.
    Raises LocalServiceError with the end of the log of what did not start; what had started is ended.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    running = RunningFleet(settings, folder.resolve())
    running.environment = {f"{SECRET_PREFIX}{name}": value for name, value in (known_secrets or {}).items()}
    try:
        tell("starting RabbitMQ and Redis")
        _start_services(running, throwaway=throwaway)
        tell("preparing the ledger and the broker's topology")
        _fill_gaps(running)
        _prepare(running.settings)
        tell("starting the processes of the fleet")
        _start_roles(running, flower=flower, console=console, sandbox_options=sandbox_options)
    except BaseException:
        running.stop()
        raise
    return running


def _start_services(running: RunningFleet, *, throwaway: bool) -> None:
    def place(name: str) -> Path | None:
        return None if throwaway else running.folder / name

    if not running.settings.broker_url.get_secret_value():
        broker = start_rabbitmq(place("rabbitmq"))
        running.services.append(broker)
        running.fill(broker_url=SecretStr(broker.url), broker_api_url=SecretStr(f"{broker.console_url}/api/"))
    if not running.settings.redis_url.get_secret_value():
        redis = start_redis(place("redis"))
        running.services.append(redis)
        running.fill(redis_url=SecretStr(redis.url))


def _fill_gaps(running: RunningFleet) -> None:
    """Ledger, ports, Flower's login and the secrets the fleet file names, wherever the settings leave them open."""
    settings = running.settings
    if not settings.ledger_url.get_secret_value():
        running.fill(ledger_url=SecretStr(f"sqlite:///{running.folder / 'ledger.db'}"))
    if not settings.flower_login.get_secret_value():
        running.fill(flower_login=SecretStr(f"millrace:{secrets.token_urlsafe(12)}"))
    if not settings.console_users_file:
        running.fill(console_users_file=str(_console_users(_private(running.folder / "secrets"))))
    if not settings.audit_key.get_secret_value():
        # The same for this folder at every start: what it sealed can be checked later.
        running.fill(audit_key=SecretStr(secret_in(_private(running.folder / "secrets"), "AUDIT_KEY")))
    running.fill(
        data_dir=running.folder,
        # One port cannot serve several processes; a worker started by hand may have one of its own.
        metrics_port=0,
        receiver_port=_free(settings.receiver_port),
        flower_port=_free(settings.flower_port),
        console_port=_free(settings.console_port),
        sandbox_url=f"http://127.0.0.1:{free_port()}",
    )
    running.environment |= environment_of(running.settings)
    running.environment |= _secrets_for(running.folder / "secrets", running.settings.fleet, running.environment)
    write_private(running.env_file, _as_shell(running.environment))


def _prepare(settings: Settings) -> None:
    ledger = Ledger(settings.ledger_url.get_secret_value(), audit_keys=settings.audit_keys)
    migrate.upgrade(ledger)
    ledger.close()
    with Connection(settings.broker_url.get_secret_value(), connect_timeout=10) as connection:
        declare(connection, topology_of(settings))


def _start_roles(running: RunningFleet, *, flower: bool, console: bool, sandbox_options: tuple[str, ...]) -> None:
    settings = running.settings
    starts: dict[str, tuple[str, ...]] = {"receiver": ("receiver",), "relay": ("relay",), "recorder": ("recorder",)}
    if any(target.sandbox for target in settings.fleet.targets.values()):
        port = settings.sandbox_url.rpartition(":")[2]
        log = str(running.folder / "sandbox-erp.jsonl")
        starts["sandbox"] = ("sandbox", "--port", port, "--log", log, *_webhook_secrets(settings.fleet), *sandbox_options)
        running.urls["sandbox"] = settings.sandbox_url
    for pool_name, pool in settings.fleet.pools.items():
        for number in range(1, pool.processes + 1):
            name = f"worker-{pool_name}-{number}"
            starts[name] = ("worker", pool_name, "--name", f"{pool_name}-{number}")
    running.urls["receiver"] = f"http://{settings.receiver_host}:{settings.receiver_port}"
    if console:
        starts["console"] = ("console",)
        running.urls["console"] = f"http://{settings.console_host}:{settings.console_port}"
    if flower:
        starts["flower"] = ("flower",)
        running.urls["flower"] = f"http://{settings.flower_host}:{settings.flower_port}"
    with ThreadPoolExecutor(len(starts)) as together:
        for done in [together.submit(start_role, running, name, words) for name, words in starts.items()]:
            done.result()


def start_role(running: RunningFleet, name: str, words: tuple[str, ...]) -> None:
    """Start one process of the fleet by the words of its command and wait until it works. Raises LocalServiceError."""
    ready_file = running.folder / f"{name}.ready"
    ready_file.unlink(missing_ok=True)
    url = {"receiver": "/ready", "sandbox": "/sandbox/stats"}.get(words[0])
    options = () if url else ("--ready-file", str(ready_file))
    command = (str(Path(sys.executable).with_name("millrace")), *words, *options)
    me = Process.of(os.getpid())
    start = Start(name, command, running.folder, running.environment, me, grace_s=STOP_S)
    ready = (lambda: _answers(running.urls[words[0]] + url)) if url else ready_file.exists
    guard, _ = launch(start, ready, READY_S)
    running.processes[name] = guard


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310  our own loopback address
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _webhook_secrets(fleet: Fleet) -> tuple[str, ...]:
    """Options that name the secrets of targets whose receiving side the sandbox plays."""
    named = {target.secret for target in fleet.targets.values() if target.sandbox and target.adapter == "open" and target.secret}
    return tuple(word for name in sorted(named) for word in ("--webhook-secret", name))


def _secrets_for(folder: Path, fleet: Fleet, known: Mapping[str, str]) -> dict[str, str]:
    """A made-up secret, kept in a file of its own, for every one the fleet file names and the environment lacks."""
    named = {name for source in fleet.sources.values() for name in source.secrets}
    named |= {target.secret for target in fleet.targets.values() if target.secret}
    made = {}
    for name in sorted(named):
        variable = f"{SECRET_PREFIX}{name}"
        if variable in known or f"{variable}_FILE" in known:
            continue
        if not (_private(folder) / name).exists():
            # The form of Standard Webhooks, which every other channel takes as plain text.
            write_private(folder / name, "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
        made[f"{variable}_FILE"] = str(folder / name)
    return made


def _console_users(folder: Path) -> Path:
    """A file with one made-up user whose password lies beside it; as it is if it is there."""
    path = folder / "console_users"
    if not path.exists():
        write_users(path, [Entry(USER, Role.ADMIN, hashed(secret_in(folder, PASSWORD)))])
    return path


def _private(folder: Path) -> Path:
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _as_shell(environment: Mapping[str, str]) -> str:
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(ours.items()))


def _free(wanted: int) -> int:
    """The wanted port if nobody has it, else a free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
        return wanted or int(probe.getsockname()[1])


def _together(endings: Sequence[Callable[[], None]]) -> None:
    """Run them all at once; the first error is raised after the last has ended."""
    if endings:
        with ThreadPoolExecutor(len(endings)) as together:
            for done in [together.submit(ending) for ending in endings]:
                done.result()


def _end(process: Process) -> None:
    process.send(signal.SIGTERM)
    if not process.wait_gone(STOP_S + 2):
        process.send(signal.SIGKILL)
