"""Sends requests to one environment and reads its answers: login renewed once at most."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.erps.dataverse.faults import Gone, Meaning, Taken, meaning_of, meaning_of_reply
from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from adapters.wire.entra import Login, logged_in
from adapters.wire.odata import JSON, Body, Pairs, Part, Reply, encoded
from adapters.wire.odata_faults import Fault, LoginRefused, in_doubt
from adapters.wire.odata_multipart import multipart_body, multipart_replies
from canonical.outcome import Unavailable

Shown = Mapping[str, Any]
"""A record as Dataverse shows it."""

_COMMON: Pairs = (("accept", "application/json"), ("odata-maxversion", "4.0"), ("odata-version", "4.0"))
_RETURNED: Pairs = (("prefer", "return=representation"),)
_EACH_ALONE: Pairs = (("prefer", "odata.continue-on-error"),)


class Wire:
    """The way to one environment. Thread-safe; holds its login, nothing else."""

    def __init__(self, login: Login, root: str) -> None:
        self._login = login
        self._root = root

    def show(self, caller: Caller, name: str, path: str) -> Shown | Gone | Fault:
        """A record."""
        exchange = self._exchange(caller, name, "GET", path, (), b"")
        if isinstance(exchange, Answer) and exchange.status == 200:
            return _record(exchange, name, writes=False)
        meaning = _met(exchange, name, writes=False)
        return Unavailable(f"{name}: refused as a write would be") if isinstance(meaning, Taken) else meaning

    def write(
        self, caller: Caller, name: str, method: str, path: str, body: Body | None, *, etag: str = ""
    ) -> Shown | Gone | Taken | Fault:
        """Send a write; the record as it stands after a creation, empty for a 204."""
        headers = (("if-match", etag),) if etag else _RETURNED if method == "POST" else ()
        payload = b"" if body is None else encoded(body)
        exchange = self._exchange(caller, name, method, path, (*headers, *(JSON if payload else ())), payload)
        if isinstance(exchange, Answer) and exchange.status == 204:
            return {}
        if isinstance(exchange, Answer) and exchange.status in (200, 201):
            return _record(exchange, name, writes=True)
        return _met(exchange, name, writes=True)

    def create_each(
        self, caller: Caller, name: str, path: str, bodies: Sequence[Body]
    ) -> list[Shown | Gone | Taken | Fault] | Fault:
        """Send several creations by one request, in order, each one's failure its own: the records as they stand after it."""
        parts = [Part("POST", path, body, _RETURNED) for body in bodies]
        content_type, payload = multipart_body(parts, self._root)
        headers = (*_EACH_ALONE, ("content-type", content_type))
        exchange = self._exchange(caller, name, "POST", "/$batch", headers, payload)
        if not isinstance(exchange, Answer) or exchange.status != 200:
            met = _met(exchange, name, writes=True)
            # The key of one order cannot be the batch's: what was done is looked up.
            return (
                in_doubt(f"{name}: the batch was answered as one record", writes=True) if isinstance(met, Gone | Taken) else met
            )
        replies = multipart_replies(exchange.header("content-type") or "", exchange.body, len(parts))
        if replies is None:
            return in_doubt(f"{name}: the answer is none of a batch", writes=True)
        return [_created(reply, name) for reply in replies]

    def _exchange(self, caller: Caller, name: str, method: str, path: str, headers: Pairs, payload: bytes) -> Exchange | Fault:
        def sent(token: str) -> Exchange:
            told = (("authorization", f"Bearer {token}"), *_COMMON, *headers)
            return caller.send(method, path, operation=name, headers=told, body=payload)

        return logged_in(self._login, sent, lambda exchange: _login_refused(exchange, name))


def _login_refused(exchange: Exchange, name: str) -> bool:
    refusable = isinstance(exchange, Answer) and exchange.status >= 400
    return refusable and isinstance(meaning_of(exchange, name, writes=True), LoginRefused)


def _met(exchange: Exchange | Fault, name: str, *, writes: bool) -> Gone | Taken | Fault:
    if isinstance(exchange, Fault):
        return exchange
    meaning: Meaning = meaning_of(exchange, name, writes=writes)
    return Unavailable(f"{name}: a fresh token is refused") if isinstance(meaning, LoginRefused) else meaning


def _created(reply: Reply | None, name: str) -> Shown | Gone | Taken | Fault:
    if reply is None:
        return in_doubt(f"{name}: not every part was answered", writes=True)
    if reply.status in (200, 201) and isinstance(reply.body, Mapping):
        return reply.body
    meaning = meaning_of_reply(reply, name)
    return Unavailable(f"{name}: login refused") if isinstance(meaning, LoginRefused) else meaning


def _record(answer: Answer, name: str, *, writes: bool) -> Shown | Fault:
    try:
        body = read_json(answer)
    except UnreadableError as error:
        return in_doubt(f"{name}: {error}", writes=writes)
    if not isinstance(body, Mapping):
        return in_doubt(f"{name}: the answer is no record", writes=writes)
    return body
