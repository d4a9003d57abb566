"""Runs the answers: one fixed problem document a refusal (RFC 9457), nothing of our inside in any of them."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]

RETRY_AFTER_S = 2
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
# Said by us, or the server names itself.
_SERVER = (b"server", b"millrace")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    async def send(self, send: Send) -> None:
        """Hand it to the server."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def taken(event_id: int) -> Answer:
    """The event is committed (now or before)."""
    body = b'{"id":%d}' % event_id
    return Answer(200, (_JSON, _SERVER, (b"content-length", b"%d" % len(body))), body)


def told(status: int, content: object) -> Answer:
    """A JSON answer about ourselves."""
    return _answer(status, json.dumps(content).encode(), _JSON)


def text(body: bytes, content_type: str) -> Answer:
    """An answer of another type."""
    return _answer(200, body, (b"content-type", content_type.encode()))


def _answer(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(status, (*headers, _SERVER, (b"content-length", b"%d" % len(body))), body)


def _problem(status: int, detail: str, *headers: tuple[bytes, bytes]) -> Answer:
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return _answer(status, json.dumps(document).encode(), _PROBLEM, *headers)


_CLOSE = (b"connection", b"close")
_LATER = (b"retry-after", b"%d" % RETRY_AFTER_S)

UNREADABLE = _problem(400, "The request cannot be understood; see the published schema of this source.")
UNPROVED = _problem(401, "The signature does not fit the body: check the secret and sign the exact bytes sent.")
UNKNOWN = _problem(404, "There is nothing here.", _CLOSE)
ONLY_POST = _problem(405, "Events are sent with POST.", (b"allow", b"POST"), _CLOSE)
ONLY_GET = _problem(405, "This is read with GET.", (b"allow", b"GET, HEAD"), _CLOSE)
TOO_SLOW = _problem(408, "The body did not arrive in time.", _CLOSE)
TOO_LARGE = _problem(413, "The body is larger than this source may send.", _CLOSE)
ENCODED = _problem(415, "Send the body without Content-Encoding.", _CLOSE)
BUSY = _problem(503, "Nothing was kept; send it again.", _LATER)
CLOSING = _problem(503, "This process is ending; send it again.", _LATER, _CLOSE)
