"""The lean reading and writing of HTTP: whatever it takes, h11 takes the same way; the rest is left to h11."""

import socket
import time
from itertools import pairwise
from typing import cast

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.http import wire
from adapters.http.answers import Answer, Lost, NotSent
from adapters.http.plain import Request, read_head, write_request
from adapters.http.wire import Connection, Limits

CAP = 40
_READY, _other_end = socket.socketpair()
_other_end.close()
"""A file that is ready to be read at any time."""


class Line:
    """The socket of a connection on which an answer comes in the given pieces, then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def send(self, data: bytes) -> int:
        return len(data)

    def setblocking(self, _on: bool) -> None:
        return

    def fileno(self) -> int:
        return _READY.fileno()

    def recv(self, _most: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def exchange(pieces: list[bytes], request: Request) -> tuple[object, ...]:
    """What comes of an answer in these pieces, without the time it took."""
    connection = Connection(cast("socket.socket", Line(pieces)))
    found = connection.exchange(request, b"", Limits(time.monotonic() + 60, 60, CAP))
    assert not isinstance(found, NotSent)
    told = (found.status, found.headers, found.body) if isinstance(found, Answer) else (found.reason, found.silent)
    return type(found), *told, connection.reusable


STATUS = st.sampled_from([b"200", b"204", b"201", b"304", b"404", b"429", b"503", b"100", b"101", b"199", b"600", b"20", b"2000"])
LINES = st.builds(
    lambda version, status, reason: b"%s %s%s" % (version, status, reason),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"http/1.1", b"HTTP/2"]),
    STATUS,
    st.sampled_from([b"", b" ", b" OK", b" No Content", b"  ", b" \xe9", b" a\tb", b" a\x00", b"OK"]),
)
FIELDS = st.sampled_from(
    [
        b"Content-Length: 0", b"Content-Length: 5", b"content-length:5", b"Content-Length: 5, 5", b"Content-Length: +5",
        b"Content-Length: 41", b"Content-Length: 99999999999", b"Content-Length: ", b"Content-Length: 05", b"Content-Length: 5 ",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Connection: close", b"Connection: keep-alive",
        b"X: a\x00", b"X: a\x01b", b"X\x00: a", b": a", b"X: a\nY: b", b"Retry-After: 2", b"X: a\r",
        b"X: a\x00", b"X: a\x01b", b"X\x00: a", b": a", b"X: a\nY: b", b"Retry-After: 2", b"X: a\r",
    ]
)  # fmt: skip
ANSWERS = st.builds(
    lambda line, fields, end, body: b"\r\n".join([line, *fields]) + end + body,
    LINES,
    st.lists(FIELDS, max_size=4),
    st.sampled_from([b"\r\n\r\n", b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n", b""]),
    st.sampled_from([b"", b"hello", b"hell", b"hello!", b"5\r\nhello\r\n0\r\n\r\n", b"x" * 41, b"HTTP/1.1 200 OK\r\n\r\n"]),
)


@settings(max_examples=1500, deadline=None)
@given(answer=ANSWERS | st.lists(ANSWERS, min_size=2, max_size=2).map(b"".join), cuts=st.lists(st.integers(0, 120), max_size=3),
       method=st.sampled_from(["PUT", "GET", "HEAD"]), closing=st.booleans())  # fmt: skip
def test_an_answer_means_the_same_by_the_lean_reading_and_by_h11(
    answer: bytes, cuts: list[int], method: str, *, closing: bool
) -> None:
    ends = sorted({0, *cuts, len(answer)})
    pieces = [answer[start:end] for start, end in pairwise(ends)] or [answer]
    request = write_request(method, "/a", {"host": "h"} | ({"connection": "close"} if closing else {}))

    lean = exchange(pieces, request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "read_head", lambda *_: None)
        by_h11 = exchange(pieces, request)

    assert lean == by_h11


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\nLocation: /record/7\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}",
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_what_erps_send_nearly_always_is_read_without_h11(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "_read_any", None)

    assert exchange([answer], write_request("PUT", "/a", {"host": "h"}))[0] is Answer


def test_an_answer_that_ends_early_is_lost_with_the_bytes_that_came() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"

    assert exchange([answer], write_request("PUT", "/a", {"host": "h"})) == (
        Lost, f"the answer is cut short or no HTTP ({len(answer)} bytes came)", False, False,
    )  # fmt: skip


def test_a_head_that_is_not_whole_is_not_plain() -> None:
    assert read_head(b"HTTP/1.1 204 No Content\r\nLocation: /1\r\n", write_request("PUT", "/a", {"host": "h"})) is None


TEXT = st.text(st.sampled_from('aZ0-:/ \t\r\n\x00\x7f\xe9!"(),;'), max_size=6)


@settings(max_examples=800, deadline=None)
@given(method=st.sampled_from(["GET", "PUT", "PA TCH", ""]) | TEXT, line=st.just("/a") | TEXT,
       headers=st.dictionaries(TEXT.map(str.lower), TEXT, max_size=3))  # fmt: skip
def test_a_request_is_written_as_h11_writes_it_or_refused(method: str, line: str, headers: dict[str, str]) -> None:
    headers = {"host": "h"} | headers
    try:
        written = write_request(method, line, headers).head
    except ValueError:
        return

    request = h11.Request(method=method, target=line, headers=list(headers.items()))
    assert written == h11.Connection(h11.CLIENT).send(request)


@pytest.mark.parametrize(
    ("method", "line", "headers"),
    [
        ("GET", "/a", {"x": "1\r\ny: 2"}),
        ("GET", "/a", {"x": "1\n"}),
        ("GET", "/a", {"x\r\ny": "1"}),
        ("GET", "/a", {"x": "\xe9"}),
        ("GET", "/a", {"x": "a\x00"}),
        ("GET", "/a HTTP/1.1\r\nx: 1", {}),
        ("GET /b", "/a", {}),
        ("POST", "/a", {"transfer-encoding": "chunked"}),
    ],
)
def test_what_would_change_the_request_is_refused(method: str, line: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="forbids"):
        write_request(method, line, {"host": "h"} | headers)
