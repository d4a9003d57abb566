"""Runs the port: takes connections up to a bound, gives up those whose time is over, and closes in order."""

import asyncio
import contextlib
import socket

from workers.receiver.connection import Bounds, Connection, Respond

_LOOK_EVERY_S = 0.25
_AT_ONCE = 64
_BACKLOG = 1_024


class Port:
    """An open port. Connections over the bound wait in the system's own line until another one ends."""

    def __init__(self, respond: Respond, host: str, port: int, bounds: Bounds, loop: asyncio.AbstractEventLoop) -> None:
        """Raises OSError if the port cannot be opened."""
        self.respond = respond
        self.bounds = bounds
        self.loop = loop
        self.closing = False
        self._connections: set[Connection] = set()
        self._entering: set[asyncio.Task[None]] = set()
        self._listening = False
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._door = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._door.setblocking(False)
        self._watch: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    def start(self) -> None:
        """Begin to take connections."""
        self._listen()
        self._look()

    async def close(self, within_s: float) -> None:
        """Take no new connection and end those that are open; what was answered is still sent, for so long."""
        self.closing = True
        self._stop_listening()
        self._door.close()
        if self._watch is not None:
            self._watch.cancel()
        for connection in list(self._connections):
            connection.close()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), within_s)

    def forget(self, connection: Connection) -> None:
        """The connection has ended: there is room for another."""
        self._connections.discard(connection)
        if self.closing and not self._connections:
            self._empty.set()
        self._listen()

    def _listen(self) -> None:
        if not self._listening and not self.closing and self._room():
            self._listening = True
            self.loop.add_reader(self._door, self._enter)

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening = False
            self.loop.remove_reader(self._door)

    def _room(self) -> int:
        return self.bounds.most_connections - len(self._connections) - len(self._entering)

    def _enter(self) -> None:
        for _ in range(min(_AT_ONCE, self._room())):
            try:
                link, _address = self._door.accept()
            except BlockingIOError:
                return
            except OSError:
                # No descriptors are left, or the sender is gone already: the next look tries again.
                self._stop_listening()
                return
            link.setblocking(False)
            entering = self.loop.create_task(self._let_in(link))
            self._entering.add(entering)
            entering.add_done_callback(self._entering.discard)
        if self._room() <= 0:
            self._stop_listening()

    async def _let_in(self, link: socket.socket) -> None:
        connection = Connection(self)
        self._connections.add(connection)
        try:
            await self.loop.connect_accepted_socket(lambda: connection, link)
        except OSError:
            link.close()
            self.forget(connection)

    def _look(self) -> None:
        now = self.loop.time()
        for connection in [one for one in self._connections if one.due < now]:
            connection.expire()
        self._listen()
        self._watch = self.loop.call_later(_LOOK_EVERY_S, self._look)
