"""A private Redis server per test, on a free loopback port, with its own folder; both throttles on a clock set by hand."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.throttle.redis import connect
from tests.adapters.throttle.asking import Make
from tests.adapters.throttle.clock import MAKERS, Clock


class PrivateRedis:
    """A redis-server process that a test may kill and start again on the same port; nothing is kept on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed: apt-get install redis-server"
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "redis-server did not start within 10 s"

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=0.2) as line:
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, losing everything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it without closing anything: it accepts and never answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def flush(self) -> None:
        """Empty it while it runs."""
        connect(self.url).flushall()


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[PrivateRedis]:
    server = PrivateRedis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Make:
    return MAKERS[str(request.param)]


@pytest.fixture
def clock() -> Clock:
    return Clock()
