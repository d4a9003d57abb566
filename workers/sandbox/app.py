"""The sandbox of NetSuite: reads, admits and does its requests, works off asynchronous ones, gives tokens."""

import asyncio
import json
import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from workers.sandbox.catalogue import as_json
from workers.sandbox.effect import Effect
from workers.sandbox.faults import Fault
from workers.sandbox.frame import Asked, HttpSandbox
from workers.sandbox.jobs import COLLECTION, Job, Jobs, accepted, item_route
from workers.sandbox.journal import Journal
from workers.sandbox.limits import Gate, Limits
from workers.sandbox.operations import Account, Request, read_json
from workers.sandbox.problems import (
    Answer,
    Refusal,
    invalid_content,
    invalid_login,
    over_limit,
    problem,
    unexpected,
)
from workers.sandbox.routes import PREFIX, TOKEN_PATH, Route, query, route
from workers.sandbox.tokens import Tokens
from workers.sandbox.wire import Scope, Send

_HTML = Answer(200, ((b"content-type", b"text/html"),), b"<html><body>Log in to continue</body></html>")
_JSON = (b"content-type", b"application/json")


@dataclass(slots=True)
class _Ask(Asked):
    """One request on its way through."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    raw: bytes = b""
    route: Route | None = None
    request: Request | None = None
    refusal: Refusal | None = None

    @property
    def operation(self) -> str:
        return "unknown" if self.route is None else self.route.operation

    @property
    def writes(self) -> bool:
        return self.route is not None and self.route.writes

    @property
    def external_ids(self) -> frozenset[str]:
        """The external ids it names: in the path, in the body."""
        found = []
        if self.route is not None and self.route.key is not None and self.route.key.startswith("eid:"):
            found.append(self.route.key[4:])
        if self.request is not None and isinstance(told := self.request.body.get("externalId"), str):
            found.append(told)
        return frozenset(found)


@dataclass
class Sandbox(HttpSandbox[_Ask, Gate]):
    """One account."""

    account: Account = field(default_factory=Account)
    jobs: Jobs = field(default_factory=Jobs)

    gateway_timeout = problem(504, "GATEWAY_TIMEOUT", "The server did not answer in time.")
    too_large = problem(413, "REQUEST_TOO_LARGE", "The request is larger than 8 MiB.")

    def catalogue(self) -> object:
        return as_json(self.account.catalogue)

    async def serve(self, scope: Scope, send: Send, raw: bytes) -> None:
        ask = _Ask(scope, send, time.time(), headers=dict(scope["headers"]), raw=raw)
        self._read(ask)
        if not self.tokens.good(ask.headers.get(b"authorization", b"")):
            await self.settle(ask, Effect(invalid_login()))
            return
        verdict = self.gate.enter()
        self.stats.asked(admitted=verdict == "admitted")
        if verdict != "admitted":
            limits = self.gate.limits
            refused = invalid_login() if limits.over_limit_as_401 else over_limit(limits.retry_after_s)
            await self.settle(ask, Effect(refused), throttled=True)
            return
        try:
            await self.work(ask)
        finally:
            self.gate.leave()

    def _read(self, ask: _Ask) -> None:
        scope = ask.scope
        try:
            many = COLLECTION.match(ask.headers.get(b"content-type", b"")) is not None
            ask.route = route(scope["method"], scope["path"], many=many)
            ask.request = Request(
                ask.route,
                query(scope.get("query_string", b"")),
                read_json(ask.raw),
                "http://" + ask.headers.get(b"host", b"localhost").decode("latin-1"),
                ask.headers.get(b"x-netsuite-propertynamevalidation", b"").lower() == b"error",
                b"transient" in ask.headers.get(b"prefer", b"").lower(),
            )
        except Refusal as refusal:
            ask.refusal = refusal

    def effect_of(self, ask: _Ask, *, twice: bool = False) -> Effect:
        if ask.refusal is not None or ask.request is None:
            return Effect(ask.refusal.answer() if ask.refusal else unexpected(_error_id()))
        try:
            if ask.request.route.verb == "batch":
                return self._accept(ask, ask.request)
            if ask.request.route.verb == "job":
                return self._show_job(ask.request.route)
            return self.account.do(ask.request, twice=twice)
        except Refusal as refusal:
            return Effect(refusal.answer())

    def _accept(self, ask: _Ask, request: Request) -> Effect:
        job, new = self.jobs.accept(request.route, request.body, ask.headers, request.origin, strict=request.strict_names)
        if new:
            late_s = ask.fault.wait_s if ask.fault is not None and ask.fault.kind == "late_job" else 0.0
            self.keep(self._work_off(job, late_s + self.gate.limits.job_delay_ms / 1000))
        return Effect(accepted(job, new=new))

    def _show_job(self, shown: Route) -> Effect:
        told = self.jobs.show(shown)
        return Effect(told if isinstance(told, Answer) else Answer(200, (_JSON,), json.dumps(told).encode()))

    async def _work_off(self, job: Job, wait_s: float) -> None:
        """Do the items of a job one after another, each with its own result and its own line in the log."""
        await asyncio.sleep(wait_s)
        job.began = True
        at, query = item_route(job)
        for item in job.items:
            await asyncio.sleep(self.gate.limits.service_time_ms / 1000)
            scope: Scope = {"method": "POST", "path": f"{PREFIX}async/v1/job/{job.id}"}
            ask = _Ask(scope, _nowhere, time.time(), route=at)
            ask.request = Request(at, query, item, job.origin, job.strict_names)
            ask.fault = self.faults.strike(at.operation, ask.external_ids, writes=True)
            effect = (
                self.effect_of(ask)
                if ask.fault is None or ask.fault.does_commit
                else Effect(self.garbled(ask.fault, Effect(unexpected(_error_id()))))
            )
            self.log(ask, effect, effect.answer.status)
            job.results.append(effect.answer)

    def log(self, ask: _Ask, effect: Effect, answer: int | str, *, throttled: bool = False, late: bool = False) -> None:
        line: dict[str, object] = {"at": ask.at, "took_ms": round((time.time() - ask.at) * 1000, 3)}
        line |= {"method": ask.scope["method"], "path": ask.scope["path"], "operation": ask.operation}
        line["external_id"] = min(ask.external_ids, default=None)
        line["record"] = None if ask.route is None else ask.route.record
        line |= effect.lines[0] if effect.lines else {}
        line |= {"answer": answer, "throttled": throttled, "late": late}
        line["fault"] = None if ask.fault is None else ask.fault.kind
        for n in range(max(1, effect.commits)):
            self.journal.append({**line, "internal_id": self._twin_id(line, n)})
        self.stats.commits += effect.commits
        self.stats.replays += int(line.get("replayed") is True)
        if not late:
            self.stats.answered(ask.operation, answer)

    @staticmethod
    def _twin_id(line: dict[str, object], n: int) -> object:
        identifier = line.get("internal_id")
        return identifier if n == 0 else str(int(str(identifier)) + n)

    def garbled(self, fault: Fault, effect: Effect) -> Answer:
        if fault.kind == "outage":
            headers = () if fault.retry_after_s is None else ((b"retry-after", str(fault.retry_after_s).encode()),)
            return problem(503, "SERVICE_UNAVAILABLE", "The service is temporarily unavailable.", None, headers)
        if fault.kind == "truncated":
            return effect.answer if effect.answer.body else Answer(200, (_JSON,), b'{"links":[{"rel":"self","href":"http')
        made = _MADE_UP.get(fault.kind)
        return effect.answer if made is None else made()

    def token(self, scope: Scope, raw: bytes) -> Answer | None:
        if scope["path"] != TOKEN_PATH:
            return None
        form = parse_qs(raw.decode("latin-1"))
        if scope["method"] != "POST" or form.get("grant_type") != ["client_credentials"]:
            return Answer(400, (_JSON,), b'{"error":"invalid_request"}')
        if form.get("client_assertion", [""]) == ["wrong"]:
            return Answer(401, (_JSON,), b'{"error":"invalid_client"}')
        ttl_s = self.gate.limits.token_ttl_s
        self.stats.answered("token.issue", 200)
        told = {"access_token": self.tokens.issue(ttl_s), "expires_in": str(int(ttl_s)), "token_type": "bearer"}
        return Answer(200, (_JSON,), json.dumps(told).encode())


_MADE_UP: dict[str, Callable[[], Answer]] = {
    "error_500": lambda: unexpected(_error_id()),
    "html_200": lambda: _HTML,
    "empty_200": lambda: Answer(200, (_JSON,)),
    "unauthorized": invalid_login,
    "poison": lambda: invalid_content("This record cannot be processed in this account.", "memo").answer(),
}


async def _nowhere(_: object) -> None:
    """Where the answer to an item of a job goes: it is asked for as its task's result."""


def _error_id() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(20))


def sandbox(journal: Journal, limits: Limits, fixed_token: str | None, faults: tuple[Fault, ...]) -> Sandbox:
    """A sandbox ready to serve, with the faults it starts with."""
    made = Sandbox(journal, Gate(limits), tokens=Tokens(fixed_token))
    for fault in faults:
        made.faults.arm(fault)
    return made
