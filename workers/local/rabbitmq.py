"""Runs a private RabbitMQ: own node, own port mapper, own cookie and password, loopback only, all in one folder."""

import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from workers.local.packages import program
from workers.local.process import Process
from workers.local.service import (
    PATH,
    Service,
    Start,
    answers,
    folder_for,
    free_port,
    launch,
    owner_or_me,
    secret_in,
    with_other_ports,
    write_private,
)

READY_S = 90
GRACE_S = 20
MAPPER_READY_S = 10
USER = "millrace"
VHOST = "millrace"
NODE = "millrace@localhost"
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
default_user = {user}
default_pass = {password}
default_vhost = {vhost}
default_user_tags.administrator = true
log.console = true
log.console.level = info
log.file = false
"""
CONSOLE = """\
management.tcp.ip = 127.0.0.1
management.tcp.port = {console}
"""


@dataclass(frozen=True)
class _Ports:
    amqp: int
    cluster: int
    mapper: int
    console: int


def start_rabbitmq(folder: Path | None = None, owner: Process | None = None, *, console: bool = True) -> Service:
    """Start it in ``folder`` (kept) or a temporary one (removed at the end), with the management API if ``console``.

    It ends when ``owner`` does (default: this process). Raises LocalServiceError.
    """
    with folder_for("rabbitmq", folder) as (place, temporary):
        return with_other_ports(lambda: _start(place, temporary, owner_or_me(owner), console=console))


def _start(place: Path, temporary: Path | None, owner: Process, *, console: bool) -> Service:
    server, mapper_program = program("rabbitmq-server"), program("epmd")
    ports = _Ports(free_port(), free_port(), free_port(), free_port())
    password = _write_files(place, ports, console=console)
    environment = _environment(place, ports)
    mapper = Start("epmd", [mapper_program], place, environment, owner)
    mapper_guard, _ = launch(mapper, lambda: answers(ports.mapper), MAPPER_READY_S)
    broker = Start(
        name="rabbitmq",
        command=[server],
        folder=place,
        environment=environment,
        owner=owner,
        # its orderly end takes six seconds; data that is thrown away need not be put in order
        ending=signal.SIGKILL if temporary else signal.SIGTERM,
        grace_s=GRACE_S,
        remove=temporary,
    )
    try:
        guard, pid = launch(broker, lambda: _serves(ports, console=console), READY_S)
    except BaseException:
        mapper_guard.send(signal.SIGTERM)
        raise
    login = f"{USER}:{password}@127.0.0.1"
    return Service(
        name="rabbitmq",
        url=f"amqp://{login}:{ports.amqp}/{VHOST}",
        pid=pid,
        folder=place,
        guards=(guard, mapper_guard),
        temporary=temporary is not None,
        console_url=f"http://{login}:{ports.console}" if console else "",
    )


def _write_files(place: Path, ports: _Ports, *, console: bool) -> str:
    password = secret_in(place)
    text = CONFIGURATION.format(amqp=ports.amqp, user=USER, password=password, vhost=VHOST)
    write_private(place / "rabbitmq.conf", text + (CONSOLE.format(console=ports.console) if console else ""))
    write_private(place / "enabled_plugins", "[rabbitmq_management].\n" if console else "[].\n")
    write_private(place / ".erlang.cookie", password)
    (place / ".erlang.cookie").chmod(0o400)
    return password


def _environment(place: Path, ports: _Ports) -> dict[str, str]:
    return {
        "PATH": PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": str(place),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(ports.mapper),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(place / "rabbitmq.conf"),
        "RABBITMQ_DIST_PORT": str(ports.cluster),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(place),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_MNESIA_BASE": str(place / "data"),
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_PID_FILE": str(place / "node.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # the start script becomes the server, so that the process number is the server's
        "detached": "1",
    }


def _serves(ports: _Ports, *, console: bool) -> bool:
    return _speaks_amqp(ports.amqp) and (not console or answers(ports.console))


def _speaks_amqp(port: int) -> bool:
    """True once it answers the protocol header with Connection.Start: the port opens last, when all else is up."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.sendall(PROTOCOL_HEADER)
            return link.recv(1) == b"\x01"
    except OSError:
        return False
