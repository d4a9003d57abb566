"""Sends requests to one environment and reads its answers: login renewed once at most."""

from collections.abc import Mapping
from typing import Any

from adapters.erps.dataverse.faults import Gone, Meaning, Taken, meaning_of
from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from adapters.wire.entra import Login
from adapters.wire.odata import JSON, Body, Pairs, encoded
from adapters.wire.odata_faults import Fault, LoginRefused, in_doubt
from canonical.outcome import Unavailable

Shown = Mapping[str, Any]
"""A record as Dataverse shows it."""

_COMMON: Pairs = (("accept", "application/json"), ("odata-maxversion", "4.0"), ("odata-version", "4.0"))
_RETURNED: Pairs = (("prefer", "return=representation"),)


class Wire:
    """The way to one environment. Thread-safe; holds its login, nothing else."""

    def __init__(self, login: Login) -> None:
        self._login = login

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
        exchange = self._exchange(caller, name, method, path, headers, b"" if body is None else encoded(body))
        if isinstance(exchange, Answer) and exchange.status == 204:
            return {}
        if isinstance(exchange, Answer) and exchange.status in (200, 201):
            return _record(exchange, name, writes=True)
        return _met(exchange, name, writes=True)

    def _exchange(self, caller: Caller, name: str, method: str, path: str, headers: Pairs, payload: bytes) -> Exchange | Fault:
        def sent(token: str) -> Exchange:
            told = (("authorization", f"Bearer {token}"), *_COMMON, *headers, *(JSON if payload else ()))
            return caller.send(method, path, operation=name, headers=told, body=payload)

        token = self._login.token()
        if not isinstance(token, str):
            return token
        exchange = sent(token)
        if not _login_refused(exchange, name):
            return exchange
        renewed = self._login.renew(token)
        return sent(renewed) if isinstance(renewed, str) else renewed


def _login_refused(exchange: Exchange, name: str) -> bool:
    refusable = isinstance(exchange, Answer) and exchange.status >= 400
    return refusable and isinstance(meaning_of(exchange, name, writes=True), LoginRefused)


def _met(exchange: Exchange | Fault, name: str, *, writes: bool) -> Gone | Taken | Fault:
    if isinstance(exchange, Fault):
        return exchange
    meaning: Meaning = meaning_of(exchange, name, writes=writes)
    return Unavailable(f"{name}: a fresh token is refused") if isinstance(meaning, LoginRefused) else meaning


def _record(answer: Answer, name: str, *, writes: bool) -> Shown | Fault:
    try:
        body = read_json(answer)
    except UnreadableError as error:
        return in_doubt(f"{name}: {error}", writes=writes)
    if not isinstance(body, Mapping):
        return in_doubt(f"{name}: the answer is no record", writes=writes)
    return body
