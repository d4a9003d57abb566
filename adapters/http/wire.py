"""One connection: writes a request, reads its answer, and knows for certain whether a byte may have left.

Stands on sockets and h11, not on a client library: a client hides whether a failed write had sent anything, waits per read
instead of per exchange, and takes surplus bytes after one answer for the beginning of the next one.
"""

import contextlib
import select
import socket
import ssl
import time

import h11
from msgspec import Struct

from adapters.http.answers import Answer, Lost, NotSent
from adapters.http.plain import Request, read_head
from adapters.http.target import Target
from adapters.http.turns import READ, WRITE, wait

_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_READ_BYTES = 65_536
_MAX_HEAD_BYTES = 65_536


class Limits(Struct, frozen=True):
    """Bounds of one exchange: the moment (monotonic clock) it must be over, and the largest body."""

    until: float
    timeout_s: float
    max_body_bytes: int

    def left_s(self) -> float:
        """Seconds left, never 0: that would mean a socket that does not block."""
        return max(0.001, self.until - time.monotonic())


class Connection:
    """A socket. Used by one thread at a time; ``reusable`` says whether it may carry another request."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._file = line.fileno()
        self._quiet = select.poll()
        self._quiet.register(line, select.POLLIN)
        self._tls = isinstance(line, ssl.SSLSocket)
        self._got = 0
        self.reusable = False
        self.idle_since = time.monotonic()

    def close(self) -> None:
        """Close the socket; harmless when it is closed already."""
        with contextlib.suppress(OSError):
            self._line.close()

    def quiet(self) -> bool:
        """True while the other side has sent nothing: an idle connection that speaks is closing or out of step."""
        if isinstance(self._line, ssl.SSLSocket) and self._line.pending():
            return False
        return not self._quiet.poll(0)

    def exchange(self, request: Request, body: bytes, limits: Limits) -> Answer | NotSent | Lost:
        """Send one request and read its answer."""
        began = time.monotonic()
        self._got = 0
        self.reusable = False
        fault = self._write(request.head + body, limits)
        if isinstance(fault, NotSent):
            return fault
        # A target may refuse a request before it has read it all: its answer is worth more than our broken pipe.
        answer = self._read(request, began, limits)
        if isinstance(answer, Lost):
            return answer if fault is None else Lost(fault.reason, answer.silent)
        self.reusable = fault is None and self.reusable
        self.idle_since = time.monotonic()
        return answer

    def _write(self, data: bytes, limits: Limits) -> NotSent | Lost | None:
        view, sent = memoryview(data), 0
        while sent < len(view):
            try:
                sent += self._line.send(view[sent:])
            except _NOT_YET as error:
                if not self._until_ready(_needed(error, WRITE), limits):
                    return Lost(f"the request was not taken within {limits.timeout_s:g} s", silent=True)
            except OSError as error:
                # TLS may have put a whole record out before it failed; a plain socket
                # that refused its first write took nothing.
                if sent == 0 and not self._tls:
                    return NotSent(f"the connection was closed before the request was written ({_name(error)})")
                return Lost(f"the connection broke while the request was written ({_name(error)})", silent=True)
        return None

    def _read(self, request: Request, began: float, limits: Limits) -> Answer | Lost:
        data = self._more(limits)
        if isinstance(data, Lost):
            return data
        head = read_head(data, request)
        if head is None or head.length > limits.max_body_bytes:
            return self._read_any(request, data, began, limits)
        whole = head.end + head.length
        while len(data) < whole:
            more = self._more(limits)
            if isinstance(more, Lost):
                return more
            if not more:
                return self._cut_short()
            data += more
        # Bytes beyond the answer would be read as the answer to the next request.
        self.reusable = len(data) == whole
        return Answer(head.status, head.headers, data[head.end : whole], time.monotonic() - began)

    def _read_any(self, request: Request, data: bytes, began: float, limits: Limits) -> Answer | Lost:
        """The answer whose first bytes are ``data``, of any kind that HTTP knows."""
        state = _awaiting(request)
        state.receive_data(data)
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._next(state, limits)
            if isinstance(event, Lost):
                return event
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > limits.max_body_bytes:
                    return Lost(f"the answer is larger than {limits.max_body_bytes} bytes")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                done = state.our_state is h11.DONE and state.their_state is h11.DONE
                self.reusable = done and not state.trailing_data[0]
                return Answer(head.status_code, _headers(head), bytes(body), time.monotonic() - began)
            elif not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                return Lost("the answer is no HTTP that was asked for")

    def _next(self, state: h11.Connection, limits: Limits) -> object | Lost:
        while True:
            try:
                event = state.next_event()
            except h11.RemoteProtocolError:
                return self._cut_short()
            if event is not h11.NEED_DATA:
                return event
            data = self._more(limits)
            if isinstance(data, Lost):
                return data
            state.receive_data(data)

    def _more(self, limits: Limits) -> bytes | Lost:
        """The next bytes, none at the other side's end."""
        if self._got and time.monotonic() >= limits.until:
            return Lost(f"no whole answer within {limits.timeout_s:g} s")
        # Nothing is there yet as a rule, and asking is dear: TLS may hold bytes that no wait would tell of.
        there = self._tls or self._until_ready(READ, limits)
        while there:
            try:
                data = self._line.recv(_READ_BYTES)
            except _NOT_YET as error:
                there = self._until_ready(_needed(error, READ), limits)
                continue
            except OSError as error:
                return Lost(f"the connection broke before the whole answer was read ({_name(error)})", silent=self._got == 0)
            self._got += len(data)
            return data
        return Lost(f"no whole answer within {limits.timeout_s:g} s", silent=self._got == 0)

    def _until_ready(self, events: int, limits: Limits) -> bool:
        """Whether the socket is ready in time. What came while others had their turn came in time."""
        return wait(self._file, events, limits.left_s())

    def _cut_short(self) -> Lost:
        if self._got == 0:
            return Lost("the connection was closed without an answer", silent=True)
        return Lost(f"the answer is cut short or no HTTP ({self._got} bytes came)")


def connect(target: Target, tls: ssl.SSLContext | None) -> Connection | NotSent:
    """Open a connection within ``connect_timeout_s`` (name look-up excepted: the system bounds it), TLS included."""
    until = time.monotonic() + target.connect_timeout_s
    try:
        places = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return NotSent(f"the host of {target.name} has no address")
    fault = NotSent(f"the host of {target.name} has no address")
    for family, kind, protocol, _, address in places:
        if time.monotonic() >= until:
            break
        line = socket.socket(family, kind, protocol)
        try:
            line.settimeout(max(0.001, until - time.monotonic()))
            line.connect(address)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Connection(line if tls is None else tls.wrap_socket(line, server_hostname=target.host))
        except ssl.SSLCertVerificationError as error:
            fault = NotSent(f"the certificate of {target.name} is not trusted: {error.verify_message}")
        except OSError as error:
            fault = NotSent(f"no connection to {target.name} ({_name(error)})")
        line.close()
    return fault


def _awaiting(request: Request) -> h11.Connection:
    """h11's view of a connection on which this request has been sent."""
    state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
    framing = ("content-length", "transfer-encoding", "expect")
    headers = [(name, value) for name, value in request.headers.items() if name not in framing]
    state.send(h11.Request(method=request.method, target=request.line, headers=headers))
    state.send(h11.EndOfMessage())
    return state


def _headers(head: h11.Response) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in head.headers)


def _needed(error: OSError, usual: int) -> int:
    """What to wait for: TLS may have to read in order to write, and the other way round."""
    if isinstance(error, ssl.SSLWantReadError):
        return READ
    return WRITE if isinstance(error, ssl.SSLWantWriteError) else usual


def _name(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else type(error).__name__
