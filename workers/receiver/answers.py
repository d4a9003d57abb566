"""Runs the answers: one fixed problem document a refusal (RFC 9457), nothing of our inside in any of them."""

import json
import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache, lru_cache
from http import HTTPStatus

Header = tuple[str, str]

RETRY_AFTER_S = 2
_JSON = ("content-type", "application/json")
_PROBLEM = ("content-type", "application/problem+json")
_SERVER = ("server", "millrace")
_CLOSE = ("connection", "close")
_TAKEN = (_JSON, _SERVER)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    @property
    def last(self) -> bool:
        """Whether the connection ends with it."""
        return _CLOSE in self.headers

    def written(self, *, last: bool, head_only: bool) -> bytes:
        """Its bytes on the wire (HTTP/1.1), without the body for ``head_only``; ``last``: the connection ends with it."""
        head = _head(self.status, self.headers, last)
        whole = head % (_date(int(time.time())), len(self.body))
        return whole if head_only else whole + self.body


@cache
def _head(status: int, headers: tuple[Header, ...], last: bool) -> bytes:
    told = [*headers] if not last or _CLOSE in headers else [*headers, _CLOSE]
    fields = "".join(f"{name}: {value.replace('%', '%%')}\r\n" for name, value in told)
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{fields}date: %s\r\ncontent-length: %d\r\n\r\n".encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def taken(event_id: int) -> Answer:
    """The event is committed (now or before)."""
    return Answer(200, _TAKEN, b'{"id":%d}' % event_id)


def told(status: int, content: object) -> Answer:
    """A JSON answer about ourselves."""
    return _answer(status, json.dumps(content).encode(), _JSON)


def text(body: bytes, content_type: str) -> Answer:
    """An answer of another type."""
    return _answer(200, body, ("content-type", content_type))


def _answer(status: int, body: bytes, *headers: Header) -> Answer:
    return Answer(status, (*headers, _SERVER), body)


def _problem(status: int, detail: str, *headers: Header) -> Answer:
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return _answer(status, json.dumps(document).encode(), _PROBLEM, *headers)


_LATER = ("retry-after", str(RETRY_AFTER_S))

UNREADABLE = _problem(400, "The request cannot be understood; see the published schema of this source.")
NOT_HTTP = _problem(400, "This is no request of HTTP/1.1.", _CLOSE)
UNPROVED = _problem(401, "The signature does not fit the body: check the secret and sign the exact bytes sent.")
UNKNOWN = _problem(404, "There is nothing here.", _CLOSE)
ONLY_POST = _problem(405, "Events are sent with POST.", ("allow", "POST"), _CLOSE)
ONLY_GET = _problem(405, "This is read with GET.", ("allow", "GET, HEAD"), _CLOSE)
TOO_SLOW = _problem(408, "The body did not arrive in time.", _CLOSE)
TOO_LARGE = _problem(413, "The body is larger than this source may send.", _CLOSE)
HEAD_TOO_LARGE = _problem(431, "The headers are larger than any sender needs.", _CLOSE)
ENCODED = _problem(415, "Send the body without Content-Encoding.", _CLOSE)
BROKEN = _problem(500, "Nothing is known of what was kept; send it again.", _CLOSE)
BUSY = _problem(503, "Nothing was kept; send it again.", _LATER)
CLOSING = _problem(503, "This process is ending; send it again.", _LATER, _CLOSE)
