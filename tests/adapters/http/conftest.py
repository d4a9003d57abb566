"""A server of raw sockets that does to each connection exactly what a test says."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

Talk = Callable[["Peer"], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """The server's side of one connection."""

    def __init__(self, line: socket.socket, requests: list[bytes]) -> None:
        self.line = line
        self._requests = requests

    def read(self) -> bytes:
        """One whole request: head, and as much body as its Content-Length says."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.line.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += self.line.recv(65536)
        self._requests.append(head + b"\r\n\r\n" + body)
        return self._requests[-1]

    def say(self, data: bytes) -> None:
        self.line.sendall(data)

    def reset(self) -> None:
        """Close with RST: what was sent and not read is gone."""
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.line.close()

    def close(self) -> None:
        self.line.close()

    def wait_for_end(self) -> None:
        """Until the client closes."""
        while self.line.recv(65536):
            pass


class Server:
    """Plays one talk per connection, in order; the last one again for every further connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.talks: list[Talk] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self.finished = threading.Condition()
        self.ended = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_ended(self, number: int) -> None:
        """Until ``number`` talks are over."""
        with self.finished:
            assert self.finished.wait_for(lambda: self.ended >= number, timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            talk = self.talks[min(self.connections, len(self.talks) - 1)]
            self.connections += 1
            threading.Thread(target=self._play, args=(talk, line), daemon=True).start()

    def _play(self, talk: Talk, line: socket.socket) -> None:
        try:
            talk(Peer(line, self.requests))
        except OSError:
            pass
        finally:
            line.close()
            with self.finished:
                self.ended += 1
                self.finished.notify_all()

    def stop(self) -> None:
        # Without the shutdown the accepting thread would keep the port open; a second stop finds it closed.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()
