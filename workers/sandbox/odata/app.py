"""The ASGI application of an OData sandbox: admits, takes its time, suffers faults, does batches, writes the log, answers."""

import asyncio
import json
import random
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from workers.sandbox import control
from workers.sandbox.faults import Fault, Faults
from workers.sandbox.journal import Journal
from workers.sandbox.odata.calls import Call, Refusal, Reply, Request, Service
from workers.sandbox.odata.gate import QueueGate
from workers.sandbox.odata.multipart import parts_answer
from workers.sandbox.odata.requests import read_request
from workers.sandbox.problems import Answer, Headers
from workers.sandbox.stats import Stats
from workers.sandbox.tokens import Tokens
from workers.sandbox.wire import Receive, Scope, Send, TooLargeError, drip, read_body, respond, sever

_JSON = (b"content-type", b"application/json")
_LOGIN = "/oauth2/v2.0/token"
_NOT_LOGGED_IN = Refusal(401, "Authentication_InvalidCredentials", "The server has rejected the client credentials.")
_GATEWAY_TIMEOUT = Answer(504, ((b"content-type", b"text/html"),), b"<html>504 Gateway Time-out</html>")
_SERVER_ERROR = Refusal(500, "Unknown", "An error has occurred.")
WRONG = "wrong"
"""A client secret that is refused."""


@dataclass(slots=True)
class _Ask:
    """One HTTP request on its way through."""

    scope: Scope
    send: Send
    at: float
    request: Request = field(default_factory=Request)
    refusal: Refusal | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class _Effect:
    """The answer, and a line of the log for each call that changed something."""

    answer: Answer
    lines: tuple[dict[str, object], ...] = ()


@dataclass(slots=True)
class ODataSandbox:
    """One service in memory behind HTTP. Everything between two awaits is one step, so no lock is needed."""

    journal: Journal
    gate: QueueGate
    service: Service
    faults: Faults = field(default_factory=Faults)
    tokens: Tokens = field(default_factory=Tokens)
    stats: Stats = field(init=False)
    _later: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.stats = Stats(self.gate, self.faults)

    def catalogue(self) -> object:
        """Master data for the control interface."""
        return self.service.catalogue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            raw = await read_body(receive)
        except TooLargeError:
            await respond(send, Refusal(413, "RequestEntityTooLarge", "The request is too large.").answer())
            return
        path: str = scope["path"]
        if path.startswith("/sandbox"):
            await respond(send, control.answer(self, scope, raw))
        elif path.endswith(_LOGIN):
            await respond(send, self._issue(scope, raw))
        else:
            await self._serve(_Ask(scope, send, time.time()), raw)

    async def _serve(self, ask: _Ask, raw: bytes) -> None:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in ask.scope["headers"]}
        try:
            query = ask.scope.get("query_string", b"").decode("latin-1")
            ask.request = read_request(ask.scope["method"], self.service.root, ask.scope["path"], query, headers, raw)
        except Refusal as refusal:
            ask.refusal = refusal
        if not self.tokens.good(headers.get("authorization", "").encode()):
            await self._settle(ask, _Effect(_NOT_LOGGED_IN.answer()))
            return
        verdict = await self.gate.admit()
        self.stats.asked(admitted=verdict == "admitted")
        if verdict != "admitted":
            refused, wait_s = self.service.over_limit(verdict)
            await self._settle(ask, _Effect(refused.answer(_retry_after(wait_s))), throttled=True)
            return
        try:
            await self._work(ask)
        finally:
            self.gate.leave()

    async def _work(self, ask: _Ask) -> None:
        request = ask.request
        ask.fault = self.faults.strike(request.operation, self._keys(request), writes=request.writes)
        limits = self.gate.limits
        wait_ms = limits.service_time_ms + limits.service_jitter_ms * random.uniform(-1, 1)  # noqa: S311
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)
        if ask.fault is None:
            await self._settle(ask, self._do(ask))
        else:
            await self._suffer(ask, ask.fault)

    def _do(self, ask: _Ask) -> _Effect:
        if ask.refusal is not None:
            return _Effect(ask.refusal.answer())
        if ask.request.batch:
            return self._together(ask.request)
        reply = self._one(ask.request.calls[0])
        return _Effect(reply.answer(), () if reply.told is None else (reply.told,))

    def _together(self, request: Request) -> _Effect:
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
        return _Effect(parts_answer(replies) if request.multipart else _json_answer(replies), lines)

    def _one(self, call: Call) -> Reply:
        try:
            return self.service.do(call)
        except Refusal as refusal:
            return Reply(refusal.status, refusal.body)

    async def _suffer(self, ask: _Ask, fault: Fault) -> None:
        if fault.kind == "late_commit":
            await self._settle(ask, _Effect(_GATEWAY_TIMEOUT))
            self._keep(self._commit_later(ask, fault.wait_s))
            return
        effect = self._do(ask) if fault.does_commit else _Effect(_GATEWAY_TIMEOUT)
        if fault.kind == "double_commit":
            again = self._do(ask)
            effect = _Effect(again.answer, (*effect.lines, *again.lines))
        if fault.kind in {"reset", "lost_answer"}:
            self._write(ask, effect, "reset" if fault.kind == "reset" else "lost")
            if not sever(ask.scope, reset=fault.kind == "reset"):
                await respond(ask.send, _GATEWAY_TIMEOUT)
            return
        told = _garbled(fault, effect.answer)
        self._write(ask, effect, told.status)
        if fault.kind == "late_answer":
            await asyncio.sleep(fault.wait_s)
        if fault.kind == "slow_answer":
            await drip(ask.send, told, fault.wait_s)
        elif fault.kind == "truncated":
            await respond(ask.send, Answer(told.status, told.headers, told.body[: max(1, len(told.body) * 2 // 3)]))
        else:
            await respond(ask.send, told)

    async def _commit_later(self, ask: _Ask, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        self._write(ask, self._do(ask), "none", late=True)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _settle(self, ask: _Ask, effect: _Effect, *, throttled: bool = False) -> None:
        self._write(ask, effect, effect.answer.status, throttled=throttled)
        await respond(ask.send, effect.answer)

    def _write(self, ask: _Ask, effect: _Effect, answer: int | str, *, throttled: bool = False, late: bool = False) -> None:
        line: dict[str, object] = {"at": ask.at, "took_ms": round((time.time() - ask.at) * 1000, 3)}
        line |= {"method": ask.scope["method"], "path": ask.scope["path"], "operation": ask.request.operation}
        line |= {"answer": answer, "throttled": throttled, "late": late, "fault": ask.fault.kind if ask.fault else None}
        keys = self._keys(ask.request)
        for told in effect.lines or ({"external_id": min(keys, default=None)},):
            self.journal.append({**line, **told})
        self.stats.commits += len(effect.lines)
        if not late:
            self.stats.answered(ask.request.operation, answer)

    def _keys(self, request: Request) -> frozenset[str]:
        told = (call.body.get(self.service.key_field) for call in request.calls)
        return frozenset(key for key in told if isinstance(key, str))

    def _issue(self, scope: Scope, raw: bytes) -> Answer:
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


def _garbled(fault: Fault, answer: Answer) -> Answer:
    if fault.kind == "outage":
        return _CLOSED.answer(_retry_after(fault.retry_after_s))
    if fault.kind == "truncated" and not answer.body:
        return Answer(200, (_JSON,), b'{"value":[{"id"')
    return _MADE_UP.get(fault.kind, answer)


_CLOSED = Refusal(503, "Internal_TenantUnavailable", "The tenant is not accessible.")
_MADE_UP: Mapping[str, Answer] = {
    "error_500": _SERVER_ERROR.answer(),
    "html_200": Answer(200, ((b"content-type", b"text/html"),), b"<html><body>Sign in</body></html>"),
    "empty_200": Answer(200, (_JSON,)),
    "unauthorized": _NOT_LOGGED_IN.answer(),
    "poison": Refusal(400, "Application_DialogException", "This record cannot be processed.").answer(),
}
