"""Runs a private Redis: loopback, with a password, keeping its data only in a folder that is kept."""

import signal
import socket
from pathlib import Path

from workers.local.packages import program
from workers.local.process import Process
from workers.local.service import PATH, Service, Start, folder_for, free_port, launch, owner_or_me, secret_in, with_other_ports
from workers.local.service import write_private as write

READY_S = 20
CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
daemonize no
databases 1024
appendonly {kept}
save ""
"""


def start_redis(folder: Path | None = None, owner: Process | None = None) -> Service:
    """Start it in ``folder`` (kept) or a temporary one (removed at the end).

    It ends when ``owner`` does (default: this process). Raises LocalServiceError.
    """
    command = program("redis-server")
    with folder_for("redis", folder) as (place, temporary):
        return with_other_ports(lambda: _start(command, place, temporary, owner_or_me(owner)))


def _start(command: str, place: Path, temporary: Path | None, owner: Process) -> Service:
    password, port = secret_in(place), free_port()
    write(
        place / "redis.conf",
        CONFIGURATION.format(port=port, password=password, folder=place, kept="no" if temporary else "yes"),
    )
    start = Start(
        name="redis",
        command=[command, str(place / "redis.conf")],
        folder=place,
        environment={"PATH": PATH, "LC_ALL": "C.UTF-8"},
        owner=owner,
        ending=signal.SIGTERM,
        remove=temporary,
    )
    guard, pid = launch(start, lambda: _answers_ping(port, password), READY_S)
    return Service("redis", f"redis://:{password}@127.0.0.1:{port}/0", pid, place, (guard,), temporary=temporary is not None)


def _answers_ping(port: int, password: str) -> bool:
    """True once its data is loaded: it opens the port before that."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return b"+PONG" in _received(link)
    except OSError:
        return False


def _received(link: socket.socket) -> bytes:
    answer = b""
    while answer.count(b"\r\n") < 2 and (part := link.recv(256)):
        answer += part
    return answer
