"""The sandbox of an OData service: reads, admits and does its requests, alone and in batches, gives tokens."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from workers.sandbox.effect import Effect
from workers.sandbox.faults import Fault
from workers.sandbox.frame import Asked, HttpSandbox
from workers.sandbox.odata.calls import Call, Refusal, Reply, Request, Service
from workers.sandbox.odata.gate import QueueGate
from workers.sandbox.odata.multipart import parts_answer
from workers.sandbox.odata.requests import read_request
from workers.sandbox.problems import Answer, Headers
from workers.sandbox.wire import Scope, Send

_JSON = (b"content-type", b"application/json")
_LOGIN = "/oauth2/v2.0/token"
_NOT_LOGGED_IN = Refusal(401, "Authentication_InvalidCredentials", "The server has rejected the client credentials.")
_SERVER_ERROR = Refusal(500, "Unknown", "An error has occurred.")
WRONG = "wrong"
"""A client secret that is refused."""


@dataclass(slots=True)
class _Ask(Asked):
    """One HTTP request on its way through; ``key_field`` is where a call holds our key."""

    key_field: str = ""
    request: Request = field(default_factory=Request)
    refusal: Refusal | None = None

    @property
    def operation(self) -> str:
        return self.request.operation

    @property
    def writes(self) -> bool:
        return self.request.writes

    @property
    def external_ids(self) -> frozenset[str]:
        told = (call.body.get(self.key_field) for call in self.request.calls)
        return frozenset(key for key in told if isinstance(key, str))


@dataclass
class ODataSandbox(HttpSandbox[_Ask, QueueGate]):
    """One service."""

    service: Service

    gateway_timeout = Answer(504, ((b"content-type", b"text/html"),), b"<html>504 Gateway Time-out</html>")
    too_large = Refusal(413, "RequestEntityTooLarge", "The request is too large.").answer()

    def catalogue(self) -> object:
        return self.service.catalogue()

    async def serve(self, scope: Scope, send: Send, raw: bytes) -> None:
        ask = _Ask(scope, send, time.time(), key_field=self.service.key_field)
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        try:
            query = scope.get("query_string", b"").decode("latin-1")
            ask.request = read_request(scope["method"], self.service.root, scope["path"], query, headers, raw)
        except Refusal as refusal:
            ask.refusal = refusal
        if not self.tokens.good(headers.get("authorization", "").encode()):
            await self.settle(ask, Effect(_NOT_LOGGED_IN.answer()))
            return
        verdict = await self.gate.admit()
        self.stats.asked(admitted=verdict == "admitted")
        if verdict != "admitted":
            refused, wait_s = self.service.over_limit(verdict)
            await self.settle(ask, Effect(refused.answer(_retry_after(wait_s))), throttled=True)
            return
        try:
            await self.work(ask)
        finally:
            self.gate.leave()

    def effect_of(self, ask: _Ask, *, twice: bool = False) -> Effect:
        if ask.refusal is not None:
            return Effect(ask.refusal.answer())
        done = [self._do(ask.request) for _ in range(2 if twice else 1)]
        lines = tuple(line for effect in done for line in effect.lines)
        return Effect(done[-1].answer, lines, len(lines))

    def _do(self, request: Request) -> Effect:
        if request.batch:
            return self._together(request)
        reply = self._one(request.calls[0])
        return Effect(reply.answer(), () if reply.told is None else (reply.told,))

    def _together(self, request: Request) -> Effect:
        saved = self.service.saved() if request.atomic else None
        replies: list[Reply] = []
        for call in request.calls:
            replies.append(self._one(call))
            if replies[-1].status >= 400 and (request.atomic or request.stops):
                break
        lines = tuple(reply.told for reply in replies if reply.told is not None)
        if request.atomic and replies[-1].status >= 400:
            self.service.restore(saved)
            lines = ()
        return Effect(parts_answer(replies) if request.multipart else _json_answer(replies), lines)

    def _one(self, call: Call) -> Reply:
        try:
            return self.service.do(call)
        except Refusal as refusal:
            return Reply(refusal.status, refusal.body)

    def garbled(self, fault: Fault, effect: Effect) -> Answer:
        if fault.kind == "outage":
            return _CLOSED.answer(_retry_after(fault.retry_after_s))
        if fault.kind == "truncated" and not effect.answer.body:
            return Answer(200, (_JSON,), b'{"value":[{"id"')
        return _MADE_UP.get(fault.kind, effect.answer)

    def log(self, ask: _Ask, effect: Effect, answer: int | str, *, throttled: bool = False, late: bool = False) -> None:
        line: dict[str, object] = {"at": ask.at, "took_ms": round((time.time() - ask.at) * 1000, 3)}
        line |= {"method": ask.scope["method"], "path": ask.scope["path"], "operation": ask.operation}
        line |= {"answer": answer, "throttled": throttled, "late": late, "fault": ask.fault.kind if ask.fault else None}
        for told in effect.lines or ({"external_id": min(ask.external_ids, default=None)},):
            self.journal.append({**line, **told})
        self.stats.commits += effect.commits
        if not late:
            self.stats.answered(ask.operation, answer)

    def token(self, scope: Scope, raw: bytes) -> Answer | None:
        if not scope["path"].endswith(_LOGIN):
            return None
        form = parse_qs(raw.decode("latin-1"))
        asked = all(form.get(name) for name in ("client_id", "client_secret", "scope"))
        if scope["method"] != "POST" or form.get("grant_type") != ["client_credentials"] or not asked:
            return Answer(400, (_JSON,), b'{"error":"invalid_request"}')
        if form["client_secret"] == [WRONG]:
            return Answer(401, (_JSON,), b'{"error":"invalid_client"}')
        ttl_s = self.gate.limits.token_ttl_s
        self.stats.answered("token.issue", 200)
        told = {"token_type": "Bearer", "expires_in": max(1, int(ttl_s)), "access_token": self.tokens.issue(ttl_s)}
        return Answer(200, (_JSON,), json.dumps(told).encode())


def _json_answer(replies: Sequence[Reply]) -> Answer:
    told = [{"id": str(n), "status": one.status, "headers": {}, "body": one.body} for n, one in enumerate(replies, 1)]
    return Reply(200, {"responses": told}).answer()


def _retry_after(wait_s: int | None) -> Headers:
    return () if wait_s is None else ((b"retry-after", str(wait_s).encode()),)


_CLOSED = Refusal(503, "Internal_TenantUnavailable", "The tenant is not accessible.")
_MADE_UP: Mapping[str, Answer] = {
    "error_500": _SERVER_ERROR.answer(),
    "html_200": Answer(200, ((b"content-type", b"text/html"),), b"<html><body>Sign in</body></html>"),
    "empty_200": Answer(200, (_JSON,)),
    "unauthorized": _NOT_LOGGED_IN.answer(),
    "poison": Refusal(400, "Application_DialogException", "This record cannot be processed.").answer(),
}
