"""The sandbox of a receiving side: proves the signature, drops what it has seen by its id, throttles, keeps its own log.

It stands on the specification of Standard Webhooks alone and shares no code with the adapter that it judges.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.sandbox.effect import Effect
from workers.sandbox.faults import Fault
from workers.sandbox.frame import Asked, HttpSandbox
from workers.sandbox.limits import Gate
from workers.sandbox.problems import Answer
from workers.sandbox.wire import Scope, Send

PREFIX = "/webhooks"
TOLERANCE_S = 300
_JSON = (b"content-type", b"application/json")


def told(status: int, *headers: tuple[bytes, bytes], **body: object) -> Answer:
    """A JSON answer."""
    return Answer(status, (_JSON, *headers), json.dumps(body).encode())


@dataclass(slots=True)
class _Ask(Asked):
    """One webhook on its way in; ``body`` is empty while its signature is not proved."""

    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def data(self) -> Mapping[str, Any]:
        found = self.body.get("data")
        return found if isinstance(found, Mapping) else {}

    @property
    def key(self) -> str:
        """Our key of the document it tells: ``shopify/1001``."""
        return f"{self.data.get('source')}/{self.data.get('key')}"

    @property
    def operation(self) -> str:
        return str(self.body.get("type", "unknown"))

    @property
    def external_ids(self) -> frozenset[str]:
        return frozenset((self.key,)) if self.data else frozenset()

    @property
    def writes(self) -> bool:
        return True


@dataclass
class WebhookSandbox(HttpSandbox[_Ask, Gate]):
    """One receiving side; ``keys`` are the secrets that it takes signatures of."""

    keys: tuple[bytes, ...] = ()
    _seen: set[str] = field(default_factory=set, init=False)
    _numbers: dict[str, str] = field(default_factory=dict, init=False)

    gateway_timeout = told(504, error="no answer in time")
    too_large = told(413, error="larger than 8 MiB")

    def catalogue(self) -> object:
        return {}

    def token(self, scope: Scope, raw: bytes) -> Answer | None:
        return None

    async def serve(self, scope: Scope, send: Send, raw: bytes) -> None:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        ask = _Ask(scope, send, time.time(), headers=headers)
        if scope["method"] != "POST" or not proved(headers, raw, self.keys, time.time()):
            await self.settle(ask, Effect(told(401, error="the signature is missing or wrong")))
            return
        ask.body = _object(raw)
        verdict = self.gate.enter()
        self.stats.asked(admitted=verdict == "admitted")
        if verdict != "admitted":
            await self.settle(
                ask, Effect(told(429, *_retry_after(self.gate.limits.retry_after_s), error=verdict)), throttled=True
            )
            return
        try:
            await self.work(ask)
        finally:
            self.gate.leave()

    def effect_of(self, ask: _Ask, *, twice: bool = False) -> Effect:
        if not ask.data:
            return Effect(told(422, error="no document in it"))
        number = self._numbers.setdefault(ask.key, f"W{len(self._numbers) + 1}")
        line = {"record": ask.data.get("kind"), "internal_id": number, "version": str(ask.body.get("version"))}
        line |= {"quantity": _text(ask.data.get("available")), "reference": ask.id}
        seen, commits = ask.id in self._seen, 2 if twice else 1
        self._seen.add(ask.id)
        if seen and not twice:
            return Effect(told(200, id=number), (line | {"replayed": True},))
        return Effect(told(202, id=number), (line | {"committed": True},) * commits, commits)

    def garbled(self, fault: Fault, effect: Effect) -> Answer:
        if fault.kind == "outage":
            return told(503, *_retry_after(fault.retry_after_s), error="closed")
        return _MADE_UP.get(fault.kind, effect.answer)

    def log(self, ask: _Ask, effect: Effect, answer: int | str, *, throttled: bool = False, late: bool = False) -> None:
        line: dict[str, object] = {"at": ask.at, "took_ms": round((time.time() - ask.at) * 1000, 3)}
        line |= {"method": ask.scope["method"], "path": PREFIX + ask.scope["path"], "operation": ask.operation}
        line |= {"external_id": min(ask.external_ids, default=None), "reference": ask.id or None}
        line |= {"answer": answer, "throttled": throttled, "late": late, "fault": ask.fault.kind if ask.fault else None}
        for one in effect.lines or ({},):
            self.journal.append({**line, **one})
        self.stats.commits += effect.commits
        self.stats.replays += sum(bool(one.get("replayed")) for one in effect.lines)
        if not late:
            self.stats.answered(ask.operation, answer)


def proved(headers: Mapping[str, str], raw: bytes, keys: tuple[bytes, ...], now_s: float) -> bool:
    """Whether one of the keys signed these bytes, within five minutes of now."""
    told_id, told_s, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not told_id or not told_s.isdecimal() or abs(now_s - int(told_s)) > TOLERANCE_S:
        return False
    content = f"{told_id}.{told_s}.".encode() + raw
    wanted = [f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}" for key in keys]
    return any(hmac.compare_digest(one.encode(), other.encode()) for one in signatures.split() for other in wanted)


def keys_of(secrets: Mapping[str, bytes], names: tuple[str, ...]) -> tuple[bytes, ...]:
    """The keys in the secrets of these names, each ``whsec_<base64>``, several with spaces between. Raises ValueError."""
    told_ones = [one for name in names for one in secrets[name].decode().split()]
    try:
        return tuple(base64.b64decode(one.removeprefix("whsec_"), validate=True) for one in told_ones)
    except binascii.Error:
        raise ValueError(f"a secret of {', '.join(names)} is not whsec_ and base64") from None


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _retry_after(wait_s: int | None) -> tuple[tuple[bytes, bytes], ...]:
    return () if wait_s is None else ((b"retry-after", str(wait_s).encode()),)


_MADE_UP: Mapping[str, Answer] = {
    "error_500": told(500, error="something went wrong"),
    "html_200": Answer(200, ((b"content-type", b"text/html"),), b"<html>thank you</html>"),
    "empty_200": Answer(200),
    "unauthorized": told(401, error="the signature is missing or wrong"),
    "poison": told(422, error="this document cannot be taken"),
}
