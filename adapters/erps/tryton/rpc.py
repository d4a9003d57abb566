"""Tryton's JSON-RPC: one method on many records in one transaction, under the session of a user with a password.

Told apart by what comes back (trytond 8.2, protocols/jsonrpc.py and dispatcher.py): a refusal is a 200 with ``error``, and what
was refused is rolled back whole; a session that ended is a 401.
"""

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.erps.tryton.faults import Fault, Moved, Taken, fault_of, refusal_of
from adapters.erps.tryton.options import Keys, TrytonOptions
from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from adapters.http.turns import undivided
from canonical.outcome import Conflict, Unavailable, Uncertain

PATH = "/rpc/"
_JSON = ("content-type", "application/json")
_LOGIN_REST_S = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a method returned."""

    result: Any


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The method was refused: nothing of it took effect, for any of its records."""

    reason: str


class Rpc:
    """One account's methods. Thread-safe; holds the session, which is begun at first use and anew when it is refused."""

    def __init__(self, options: TrytonOptions, keys: Keys) -> None:
        self._login = options.login
        self._keys = keys
        self._context = {"company": options.company, "language": "en"}
        self._lock = threading.Lock()
        self._session = ""

    def call(
        self, caller: Caller, name: str, method: str, *params: object, writes: bool = True
    ) -> Told | RolledBack | Moved | Taken | Fault:
        """Call ``model.<model>.<method>``; ``name`` is for telemetry."""
        session = self._session or self._begin(caller, "")
        if not isinstance(session, str):
            return session
        sent = self._send(caller, name, f"model.{method}", [*params, self._context], session, writes=writes)
        if isinstance(sent, Answer) and sent.status in (401, 403):
            session = self._begin(caller, session)
            if not isinstance(session, str):
                return session
            sent = self._send(caller, name, f"model.{method}", [*params, self._context], session, writes=writes)
        return _meaning(sent, name, writes=writes)

    def _begin(self, caller: Caller, refused: str) -> str | Fault:
        """A session other than the refused one."""
        with self._lock, undivided():
            if self._session != refused:
                return self._session
            params: list[object] = [self._login, {"password": self._keys.password}, "en"]
            meaning = _meaning(self._send(caller, "session.begin", "common.db.login", params, "", writes=False), "session.begin")
            told = meaning.result if isinstance(meaning, Told) else None
            if not isinstance(told, Sequence) or len(told) < 2:
                reason = "session.begin: Tryton does not let the user in: check the option 'login' and the password"
                return meaning if isinstance(meaning, Fault) else Unavailable(reason, _LOGIN_REST_S)
            words = f"{self._login}:{told[0]}:{told[1]}".encode()
            self._session = f"Session {base64.b64encode(words).decode()}"
            return self._session

    def _send(self, caller: Caller, name: str, method: str, params: list[object], session: str, *, writes: bool) -> Exchange:
        body = json.dumps({"id": 1, "method": method, "params": params}).encode()
        headers = (_JSON, ("authorization", session)) if session else (_JSON,)
        return caller.send("POST", PATH, operation=name, headers=headers, body=body, idempotent=not writes)


def _meaning(sent: Exchange, name: str, *, writes: bool = False) -> Told | RolledBack | Moved | Taken | Fault:
    if not isinstance(sent, Answer) or sent.status != 200:
        fault = fault_of(sent, name, writes=writes)
        return fault if isinstance(fault, Fault) else _doubt(f"{name}: refused without a reason", writes=writes)
    try:
        body = read_json(_plain(sent))
    except UnreadableError as error:
        return _doubt(f"{name}: {error}", writes=writes)
    if not isinstance(body, Mapping) or not {"error", "result"} & set(body):
        return _doubt(f"{name}: the answer is of an unknown shape", writes=writes)
    return _refused(body["error"], name) if "error" in body else Told(body["result"])


def _refused(error: object, name: str) -> RolledBack | Moved | Taken | Conflict:
    kind, details = (error[0], error[1]) if isinstance(error, list) and len(error) >= 2 else ("", None)
    if kind == "ConcurrencyException":
        return Conflict(f"{name}: the record is being changed by somebody else")
    if kind in ("UserError", "UserWarning") and isinstance(details, list) and details:
        # A warning tells its own name first, an error its text.
        said = str(details[1] if kind == "UserWarning" and len(details) > 1 else details[0])
        meaning = refusal_of(said, said, name)
        return meaning if isinstance(meaning, Moved | Taken) else RolledBack(meaning.reason)
    return RolledBack(f"{name} failed; Tryton's own log has the cause")


def _plain(answer: Answer) -> Answer:
    """The answer without a claim to be packed that is not true: Tryton marks every longer answer so, packed or not."""
    if answer.body[:1] != b"{":
        return answer
    return replace(answer, headers=tuple(pair for pair in answer.headers if pair[0] != "content-encoding"))


def _doubt(reason: str, *, writes: bool) -> Uncertain | Unavailable:
    return Uncertain(reason) if writes else Unavailable(reason)
