"""Sends one request to NetSuite and reads its answer: JSON out with every digit kept, login renewed once at most."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from adapters.erps.netsuite.auth import Login
from adapters.erps.netsuite.faults import Fault, Gone, LoginRefused, Taken, in_doubt, meaning_of
from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from adapters.http.target import segment
from canonical.outcome import Rejected, Unavailable

Body = Mapping[str, object]
Shown = Mapping[str, Any]
"""A record as NetSuite shows it: its own JSON, read further in records.py."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_STRICT = ("x-netsuite-propertynamevalidation", "error")
_IGNORED = ("x-netsuite-propertynamevalidation", "x-netsuite-propertyvalidation")
_ID = re.compile(r"\d{1,20}")


class Wrote(Struct, frozen=True):
    """The documented success of a write: 204 with the record's address."""

    id: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``name`` is told in messages and metrics; ``record`` is the type a write is answered with."""

    name: str
    method: str
    path: str
    record: str
    query: tuple[tuple[str, str], ...] = ()
    body: Body | None = field(default=None, repr=False)
    content: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Wire:
    """The way to one account. Thread-safe; holds its login, nothing else."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def show(self, caller: Caller, record: str, key: str, *, lines: bool = False) -> Shown | Gone | Fault:
        """A record by internal id or ``eid:<external id>``; with ``lines`` its sublists in full."""
        query = (("expandSubResources", "true"),) if lines else ()
        ask = Ask(f"{record}.get", "GET", f"/record/v1/{record}/{_segment(key)}", record, query)
        exchange = self.exchange(caller, ask)
        if isinstance(exchange, Answer) and exchange.status == 200:
            return _shown(exchange, ask)
        meaning = met(exchange, ask, writes=False)
        return Unavailable(f"{ask.name}: refused as a write would be") if isinstance(meaning, Taken) else meaning

    def write(self, caller: Caller, ask: Ask) -> Wrote | Gone | Taken | Fault:
        """Send a write; its success is a 204 that names the record."""
        exchange = self.exchange(caller, ask)
        if isinstance(exchange, Answer) and exchange.status == 204:
            return _wrote(exchange, ask)
        return met(exchange, ask, writes=True)

    def exchange(self, caller: Caller, ask: Ask) -> Exchange | Fault:
        """Send a request under the login and hand back what came, whatever it means."""
        token = self._login.token(caller)
        if not isinstance(token, str):
            return token
        exchange = _send(caller, ask, token)
        if not _login_refused(exchange, ask):
            return exchange
        renewed = self._login.renew(caller, token)
        if not isinstance(renewed, str):
            return renewed
        exchange = _send(caller, ask, renewed)
        return self._login.refused(renewed, ask.name) if _login_refused(exchange, ask) else exchange


def insert_or_update(record: str, external_id: str, body: Body, replace: str = "") -> Ask:
    """PUT under the external id: one record however often it is sent. ``replace`` names sublists to put in place whole."""
    query = (("replace", replace),) if replace else ()
    return Ask(f"{record}.upsert", "PUT", f"/record/v1/{record}/{_segment(f'eid:{external_id}')}", record, query, body)


def change(record: str, internal_id: str, body: Body, replace: str = "") -> Ask:
    """PATCH a record that was read before."""
    query = (("replace", replace),) if replace else ()
    return Ask(f"{record}.update", "PATCH", f"/record/v1/{record}/{_segment(internal_id)}", record, query, body)


def transform(source: str, internal_id: str, record: str, body: Body) -> Ask:
    """POST a record made from another one; the body must hold the external id, nothing else makes a repeat harmless."""
    path = f"/record/v1/{source}/{_segment(internal_id)}/!transform/{record}"
    return Ask(f"{record}.transform", "POST", path, record, (), body)


def _segment(key: str) -> str:
    prefix, colon, rest = key.partition(":")
    return f"{prefix}:{segment(rest)}" if colon and prefix == "eid" else segment(key)


def _send(caller: Caller, ask: Ask, token: str) -> Exchange:
    login = (("authorization", f"Bearer {token}"), ("accept", "application/json"))
    headers = login if ask.body is None else (*login, ("content-type", ask.content), _STRICT, *ask.headers)
    payload = b"" if ask.body is None else _ENCODER.encode(ask.body)
    return caller.send(ask.method, ask.path, operation=ask.name, query=ask.query, headers=headers, body=payload)


def _login_refused(exchange: Exchange, ask: Ask) -> bool:
    if not isinstance(exchange, Answer) or exchange.status < 400:
        return False
    return isinstance(meaning_of(exchange, ask.name, writes=ask.method != "GET"), LoginRefused)


def met(exchange: Exchange | Fault, ask: Ask, *, writes: bool) -> Gone | Taken | Fault:
    """What an exchange means that is not the success the request was sent for."""
    if isinstance(exchange, Fault):
        return exchange
    meaning = meaning_of(exchange, ask.name, writes=writes)
    return Unavailable(f"{ask.name}: login refused") if isinstance(meaning, LoginRefused) else meaning


def _shown(answer: Answer, ask: Ask) -> Shown | Unavailable:
    try:
        body = read_json(answer)
    except UnreadableError as error:
        return Unavailable(f"{ask.name}: {error}")
    if not isinstance(body, Mapping) or not _ID.fullmatch(str(body.get("id"))):
        return Unavailable(f"{ask.name}: the answer is no {ask.record}")
    return body


def _wrote(answer: Answer, ask: Ask) -> Wrote | Fault:
    if any((answer.header(name) or "").lower() == "warning" for name in _IGNORED):
        remedy = "compare the record's fields with the target's options, then retry"
        return Rejected("netsuite.fields_ignored", f"{ask.name}: NetSuite stored the record without a field of ours", remedy)
    parts = (answer.header("location") or "").partition("?")[0].rstrip("/").split("/")
    if len(parts) < 2 or parts[-2].lower() != ask.record.lower() or not _ID.fullmatch(parts[-1]):
        return in_doubt(f"{ask.name}: 204 without the record's address", writes=True)
    return Wrote(parts[-1])
