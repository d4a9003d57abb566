"""The way of a request through any sandbox: read, admitted, worked on for a while, struck by a fault, logged, answered."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, TypeVar

from workers.sandbox import control
from workers.sandbox.effect import Effect
from workers.sandbox.faults import Fault, Faults
from workers.sandbox.journal import Journal
from workers.sandbox.limits import Gate
from workers.sandbox.problems import Answer
from workers.sandbox.stats import Stats
from workers.sandbox.tokens import Tokens
from workers.sandbox.wire import Receive, Scope, Send, TooLargeError, drip, read_body, respond, sever


@dataclass(slots=True)
class Asked(ABC):
    """One HTTP request; ``at`` is when it came, epoch seconds."""

    scope: Scope
    send: Send
    at: float
    fault: Fault | None = None

    @property
    @abstractmethod
    def operation(self) -> str:
        """Its name for faults, counts and the log."""

    @property
    @abstractmethod
    def external_ids(self) -> frozenset[str]:
        """Our keys that it names."""

    @property
    @abstractmethod
    def writes(self) -> bool:
        """Whether it may change something."""


Ask = TypeVar("Ask", bound=Asked)
Door = TypeVar("Door", bound=Gate)


@dataclass
class HttpSandbox(ABC, Generic[Ask, Door]):
    """One account in memory behind HTTP. Everything between two awaits is one step, so no lock is needed."""

    journal: Journal
    gate: Door
    faults: Faults = field(default_factory=Faults, kw_only=True)
    tokens: Tokens = field(default_factory=Tokens, kw_only=True)
    stats: Stats = field(init=False)
    _later: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    gateway_timeout: ClassVar[Answer]
    too_large: ClassVar[Answer]

    def __post_init__(self) -> None:
        self.stats = Stats(self.gate, self.faults)

    @abstractmethod
    def catalogue(self) -> object:
        """Master data for the control interface."""

    @abstractmethod
    def token(self, scope: Scope, raw: bytes) -> Answer | None:
        """The answer to a login; None for any other request."""

    @abstractmethod
    async def serve(self, scope: Scope, send: Send, raw: bytes) -> None:
        """Read it, look at its login, admit it, and let it be worked on."""

    @abstractmethod
    def effect_of(self, ask: Ask, *, twice: bool = False) -> Effect:
        """Do what is asked, two times for ``twice``."""

    @abstractmethod
    def garbled(self, fault: Fault, effect: Effect) -> Answer:
        """The answer as the fault leaves it."""

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
            await respond(send, self.too_large)
            return
        if scope["path"].startswith("/sandbox"):
            await respond(send, control.answer(self, scope, raw))
        elif (login := self.token(scope, raw)) is not None:
            await respond(send, login)
        else:
            await self.serve(scope, send, raw)

    async def work(self, ask: Ask) -> None:
        """What happens inside: time passes, and a fault may strike."""
        ask.fault = self.faults.strike(ask.operation, ask.external_ids, writes=ask.writes)
        limits = self.gate.limits
        wait_ms = limits.service_time_ms + limits.service_jitter_ms * random.uniform(-1, 1)  # noqa: S311
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)
        if ask.fault is None:
            await self.settle(ask, self.effect_of(ask))
        else:
            await self._suffer(ask, ask.fault)

    async def settle(self, ask: Ask, effect: Effect, *, throttled: bool = False) -> None:
        """Log it and answer."""
        self.log(ask, effect, effect.answer.status, throttled=throttled)
        await respond(ask.send, effect.answer)

    async def _suffer(self, ask: Ask, fault: Fault) -> None:
        if fault.kind == "late_commit":
            await self.settle(ask, Effect(self.gateway_timeout))
            self.keep(self._commit_later(ask, fault.wait_s))
            return
        twice = fault.kind == "double_commit"
        effect = self.effect_of(ask, twice=twice) if fault.does_commit else Effect(self.gateway_timeout)
        if fault.kind in {"reset", "lost_answer"}:
            self.log(ask, effect, "reset" if fault.kind == "reset" else "lost")
            if not sever(ask.scope, reset=fault.kind == "reset"):
                await respond(ask.send, self.gateway_timeout)
            return
        told = self.garbled(fault, effect)
        self.log(ask, replace(effect, answer=told), told.status)
        await self._answer_badly(ask, fault, told)

    async def _answer_badly(self, ask: Ask, fault: Fault, told: Answer) -> None:
        if fault.kind == "late_answer":
            await asyncio.sleep(fault.wait_s)
        if fault.kind == "slow_answer":
            await drip(ask.send, told, fault.wait_s)
        elif fault.kind == "truncated":
            await respond(ask.send, Answer(told.status, told.headers, told.body[: max(1, len(told.body) * 2 // 3)]))
        else:
            await respond(ask.send, told)

    async def _commit_later(self, ask: Ask, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        self.log(ask, self.effect_of(ask), "none", late=True)

    def keep(self, work: Coroutine[None, None, None]) -> None:
        """Let something go on after its answer."""
        task = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    @abstractmethod
    def log(self, ask: Ask, effect: Effect, answer: int | str, *, throttled: bool = False, late: bool = False) -> None:
        """Write the lines of a request and count its answer."""
