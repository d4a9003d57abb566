"""Runs the answers: one fixed problem document a refusal (RFC 9457), nothing of our inside in any of them."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from granian.rsgi import HTTPProtocol  # type: ignore[attr-defined]  # documented, not exported by name

Header = tuple[str, str]

RETRY_AFTER_S = 2
_JSON = ("content-type", "application/json")
_PROBLEM = ("content-type", "application/problem+json")
# Said by us, or the server names itself.
_SERVER = ("server", "millrace")
_TAKEN = (_JSON, _SERVER)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    def send(self, protocol: HTTPProtocol) -> None:
        """Hand it to the server, which adds the length."""
        protocol.response_bytes(self.status, list(self.headers), self.body)


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


_CLOSE = ("connection", "close")
_LATER = ("retry-after", str(RETRY_AFTER_S))

UNREADABLE = _problem(400, "The request cannot be understood; see the published schema of this source.")
UNPROVED = _problem(401, "The signature does not fit the body: check the secret and sign the exact bytes sent.")
UNKNOWN = _problem(404, "There is nothing here.", _CLOSE)
ONLY_POST = _problem(405, "Events are sent with POST.", ("allow", "POST"), _CLOSE)
ONLY_GET = _problem(405, "This is read with GET.", ("allow", "GET, HEAD"), _CLOSE)
TOO_SLOW = _problem(408, "The body did not arrive in time.", _CLOSE)
TOO_LARGE = _problem(413, "The body is larger than this source may send.", _CLOSE)
ENCODED = _problem(415, "Send the body without Content-Encoding.", _CLOSE)
BUSY = _problem(503, "Nothing was kept; send it again.", _LATER)
CLOSING = _problem(503, "This process is ending; send it again.", _LATER, _CLOSE)
