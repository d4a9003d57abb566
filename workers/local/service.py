"""The handle of a private service, and the one way to start and stop one."""

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from workers.local.process import POLL_S, Process

STOP_S = 30
STOP_SPARE_S = 5
TAIL_LINES = 15
PORT_TRIES = 3
PORT_TAKEN = ("address already in use", "eaddrinuse", "already_in_use")
OWN_PORTS = range(10_000, 15_000)
"""Where private services listen: below the ports that systems give to outgoing connections, one of which may take a port between
its being found free and a service's listening on it."""
_given: deque[int] = deque(maxlen=200)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalServiceError(Exception):
    """A private service is missing, did not start or did not stop; the message says what to do next."""


class PortTakenError(LocalServiceError):
    """The free port chosen for a service was taken by somebody else before the service had it."""


@dataclass(frozen=True)
class Service:
    """A running private service. ``stop()`` ends it by process number; it also ends when its owner does."""

    name: str
    url: str = field(repr=False)
    pid: int
    folder: Path
    guards: tuple[Process, ...]
    temporary: bool = True
    """True if its folder goes when it stops."""
    console_url: str = field(default="", repr=False)
    """RabbitMQ: its management API, with the login; else empty."""

    def alive(self) -> bool:
        """True while all of its processes run."""
        return all(guard.alive() for guard in self.guards)

    def stop(self, wait_s: float = STOP_S) -> None:
        """End it and wait until it is gone. Raises LocalServiceError if it still runs after ``wait_s``."""
        for guard in self.guards:
            guard.send(signal.SIGTERM)
            if not guard.wait_gone(wait_s):
                guard.send(signal.SIGKILL)  # the kernel then ends the service
                guard.wait_gone(STOP_SPARE_S)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.alive():
            raise LocalServiceError(f"{self.name} (process {self.pid}) did not stop within {wait_s} s: end it by hand")


@dataclass(frozen=True)
class Start:
    """What it takes to start one process under a guard."""

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    owner: Process
    user: str | None = None
    ending: signal.Signals = signal.SIGTERM
    grace_s: float = 10
    remove: Path | None = None

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Where its guard writes the service's process number."""
        return self.folder / f"{self.name}.pid"


def launch(start: Start, ready: Callable[[], bool], wait_s: float) -> tuple[Process, int]:
    """Start it, wait until ``ready``; its guard and process number. Raises LocalServiceError with the log's end."""
    guard = _spawn(start)
    deadline = time.monotonic() + wait_s
    # held open, because a guard that is told to end removes a temporary folder with the log in it
    with start.log.open(encoding="utf-8", errors="replace") as log:
        while not (start.pid_file.exists() and ready()):
            if not guard.alive():
                raise _failure(start, "ended at once", log.read())
            if time.monotonic() > deadline:
                guard.send(signal.SIGTERM)
                guard.wait_gone(STOP_S)
                raise _failure(start, f"was not ready within {wait_s} s", log.read())
            time.sleep(POLL_S)
    return guard, int(start.pid_file.read_text(encoding="ascii").split()[0])


def owner_or_me(owner: Process | None) -> Process:
    """The process a service lives as long as: the given one, or this one."""
    return owner or Process.of(os.getpid())


@contextmanager
def folder_for(name: str, folder: Path | None) -> Iterator[tuple[Path, Path | None]]:
    """The folder to work in, and the same again if it is a temporary one, to be removed at the end or on a failure."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield folder.resolve(), None
        return
    made = Path(tempfile.mkdtemp(prefix=f"millrace-{name}-"))
    try:
        yield made, made
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def secret_in(folder: Path, name: str = "password") -> str:
    """A made-up secret of 32 characters: made once, kept in the folder, readable by its owner only."""
    path = folder / name
    if not path.exists():
        write_private(path, secrets.token_hex(16))
    return path.read_text(encoding="ascii")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def free_port() -> int:
    """A loopback port that nobody has now and that was not given to this process a short while ago.

    Raises LocalServiceError if none of OWN_PORTS is found.
    """
    for _ in range(2 * len(OWN_PORTS)):
        port = secrets.choice(OWN_PORTS)
        if port not in _given and _is_free(port):
            _given.append(port)
            return port
    raise LocalServiceError(f"no free port from {OWN_PORTS[0]} to {OWN_PORTS[-1]} on loopback: end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """True if somebody accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def with_other_ports(attempt: Callable[[], Service]) -> Service:
    """Run ``attempt``; again with other free ports if somebody took one of them in between, three times at most."""
    for _ in range(PORT_TRIES - 1):
        try:
            return attempt()
        except PortTakenError:
            continue
    return attempt()


def _spawn(start: Start) -> Process:
    options = {
        "--owner": start.owner.pid,
        "--owner-born": start.owner.born,
        "--pid-file": start.pid_file,
        "--folder": start.folder,
        "--user": start.user,
        "--signal": int(start.ending),
        "--grace": start.grace_s,
        "--remove": start.remove,
    }
    given = [str(part) for name, value in options.items() if value is not None for part in (name, value)]
    # -P: never import from the current folder
    command = [sys.executable, "-P", "-m", "workers.local.guard", *given, "--", *start.command]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(start.log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # a session of its own: Ctrl-C in the terminal reaches the fleet, which then stops its services in order
    return Process.of(os.posix_spawn(sys.executable, command, start.environment, file_actions=actions, setsid=True))


def _failure(start: Start, what: str, log: str) -> LocalServiceError:
    tail = "\n".join(f"  {line}" for line in log.splitlines()[-TAIL_LINES:])
    kind = PortTakenError if any(sign in log.lower() for sign in PORT_TAKEN) else LocalServiceError
    return kind(f"the private {start.name} {what}; the end of {start.log}:\n{tail}")
