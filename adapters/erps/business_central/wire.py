"""Sends requests to one company and reads its answers: login renewed once at most, messages pinned to English."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.erps.business_central.faults import meaning_of, meaning_of_reply
from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from adapters.wire.entra import Login, logged_in
from adapters.wire.odata import JSON, Body, Pairs, Part, Reply, batch_body, batch_replies, encoded
from adapters.wire.odata_faults import Fault, LoginRefused, in_doubt
from canonical.outcome import Unavailable

Shown = Mapping[str, Any]
"""A record as Business Central shows it."""

_COMMON: Pairs = (("accept", "application/json"), ("accept-language", "en-US"))
_ATOMIC: Pairs = (("isolation", "snapshot"),)


@dataclass(frozen=True, slots=True)
class Refused:
    """An atomic batch that was rolled back: which of its parts is to blame, and why."""

    number: int
    fault: Fault


class Wire:
    """The way to one company. Thread-safe; holds its login, nothing else."""

    def __init__(self, login: Login, company: str) -> None:
        self._login = login
        self.company = f"companies({company})"

    def write(self, caller: Caller, name: str, method: str, path: str, body: Body | None, *, etag: str = "") -> Shown | Fault:
        """Send a write; the record as it stands after it, empty for a 204."""
        headers = (("if-match", etag),) if etag else ()
        payload = b"" if body is None else encoded(body)
        exchange = self._exchange(caller, name, method, f"/{self.company}/{path}", headers, payload, writes=True)
        if isinstance(exchange, Answer) and exchange.status == 204:
            return {}
        if isinstance(exchange, Answer) and exchange.status in (200, 201):
            return _record(exchange, name)
        return _fault(exchange, name, writes=True)

    def read_all(self, caller: Caller, name: str, queries: Sequence[str]) -> list[list[Shown]] | Fault:
        """Several lists of records by one request."""
        parts = [Part("GET", f"{self.company}/{query}", None, _COMMON) for query in queries]
        replies = self._replies(caller, name, parts, (), writes=False)
        if not isinstance(replies, list):
            return replies
        found: list[list[Shown]] = []
        for reply in replies:
            if reply is None or reply.status != 200:
                return in_doubt(f"{name}: a part was not answered", writes=False) if reply is None else _part(reply, name)
            rows = reply.body.get("value") if isinstance(reply.body, Mapping) else None
            if not isinstance(rows, list) or "@odata.nextLink" in reply.body:
                return Unavailable(f"{name}: the answer is no whole list of records")
            found.append(rows)
        return found

    def write_together(self, caller: Caller, name: str, parts: Sequence[Part]) -> list[Shown] | Refused | Fault:
        """All of the parts or none, by one request: the records as they stand after it.

        A batch in which any part failed was rolled back, whatever the others were answered.
        """
        told = [Part(part.method, f"{self.company}/{part.url}", part.body, (*_COMMON, *part.headers)) for part in parts]
        replies = self._replies(caller, name, told, _ATOMIC, writes=True)
        if not isinstance(replies, list):
            return replies
        for number, reply in enumerate(replies):
            if reply is not None and reply.status >= 400:
                meaning = meaning_of_reply(reply, name, writes=True)
                return Refused(number, Unavailable(f"{name}: login refused") if isinstance(meaning, LoginRefused) else meaning)
        if any(reply is None for reply in replies):
            return in_doubt(f"{name}: not every part was answered", writes=True)
        return [reply.body if reply is not None and isinstance(reply.body, Mapping) else {} for reply in replies]

    def _replies(
        self, caller: Caller, name: str, parts: Sequence[Part], headers: Pairs, *, writes: bool
    ) -> list[Reply | None] | Fault:
        exchange = self._exchange(caller, name, "POST", "/$batch", headers, batch_body(parts), writes=writes)
        if not isinstance(exchange, Answer) or exchange.status != 200:
            return _fault(exchange, name, writes=writes)
        try:
            replies = batch_replies(read_json(exchange), len(parts))
        except UnreadableError as error:
            return in_doubt(f"{name}: {error}", writes=writes)
        return in_doubt(f"{name}: the answer is none of a batch", writes=writes) if replies is None else replies

    def _exchange(
        self, caller: Caller, name: str, method: str, path: str, headers: Pairs, payload: bytes, *, writes: bool
    ) -> Exchange | Fault:
        def sent(token: str) -> Exchange:
            login = ("authorization", f"Bearer {token}")
            told = (login, *_COMMON, *headers, *(JSON if payload else ()))
            return caller.send(method, path, operation=name, headers=told, body=payload, idempotent=not writes)

        return logged_in(self._login, sent, lambda exchange: _login_refused(exchange, name))


def _login_refused(exchange: Exchange, name: str) -> bool:
    refusable = isinstance(exchange, Answer) and exchange.status >= 400
    return refusable and isinstance(meaning_of(exchange, name, writes=True), LoginRefused)


def _fault(exchange: Exchange | Fault, name: str, *, writes: bool) -> Fault:
    if isinstance(exchange, Fault):
        return exchange
    meaning = meaning_of(exchange, name, writes=writes)
    return Unavailable(f"{name}: a fresh token is refused") if isinstance(meaning, LoginRefused) else meaning


def _part(reply: Reply, name: str) -> Fault:
    meaning = meaning_of_reply(reply, name, writes=False)
    return Unavailable(f"{name}: login refused") if isinstance(meaning, LoginRefused) else meaning


def _record(answer: Answer, name: str) -> Shown | Fault:
    try:
        body = read_json(answer)
    except UnreadableError as error:
        return in_doubt(f"{name}: {error}", writes=True)
    return body if isinstance(body, Mapping) else in_doubt(f"{name}: the answer is no record", writes=True)
