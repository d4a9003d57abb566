"""Runs the application: `POST /in/{source}`, `GET /health`, `/ready`, `/metrics`, and nothing else."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable

from adapters.channels.base import Inbound, Refused
from ledger.events import NewEvent
from ledger.session import LedgerUnavailable
from telemetry import Name, emit
from telemetry.metrics import CONTENT_TYPE
from workers.receiver import answers
from workers.receiver.announcer import Announcer
from workers.receiver.answers import Answer
from workers.receiver.committer import Committer
from workers.receiver.doors import Door, Intake
from workers.receiver.request import Request, SenderLeftError, refused_by_headers

PREFIX = "/in/"
READY_WITHIN_S = 3.0


class Application:
    """The receiver's application: one call a request, which gives its answer."""

    def __init__(self, intake: Intake, committer: Committer, announcer: Announcer) -> None:
        self._intake = intake
        self._committer = committer
        self._announcer = announcer
        self._closing = False
        self._open_requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def respond(self, request: Request) -> Answer | None:
        """The answer to one request; None if its sender left."""
        self._open_requests += 1
        self._idle.clear()
        try:
            return await self._answer(request)
        except SenderLeftError:
            emit(Name.EVENT_REFUSE_DONE, reason="the sender left before its body was whole", status=499)
            return None
        finally:
            self._open_requests -= 1
            if not self._open_requests:
                self._idle.set()

    async def close(self, within_s: float) -> None:
        """Refuse what is new and wait until the open requests are answered, but not longer than this."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), within_s)

    async def _answer(self, request: Request) -> Answer:
        path = request.path
        if not path.startswith(PREFIX):
            return await self._about_us(request.method, path)
        if self._closing:
            return answers.CLOSING
        door = self._intake.doors.get(path[len(PREFIX) :])
        if door is None:
            return _refuse("unknown", answers.UNKNOWN, "no such source")
        if request.method != "POST":
            return _refuse(door.source, answers.ONLY_POST, "not POST")
        return await self._take(door, request)

    async def _take(self, door: Door, request: Request) -> Answer:
        began = time.monotonic()
        refusal = refused_by_headers(request.headers, door.max_body_bytes)
        if refusal is not None:
            return _refuse(door.source, refusal, "headers")
        body = await request.body(door.max_body_bytes, door.read_time_s)
        if isinstance(body, Answer):
            return _refuse(door.source, body, "body")
        event = self._prove(door, Inbound(door.source, request.headers, body, self._intake.now()))
        if isinstance(event, Answer):
            return event
        return await self._keep(event, began)

    def _prove(self, door: Door, request: Inbound) -> NewEvent | Answer:
        refused = door.channel.verify(request, door.keys, request.received_at)
        if refused is not None:
            return _refuse(door.source, answers.UNPROVED, refused.reason)
        identity = door.channel.identify(request)
        if isinstance(identity, Refused):
            return _refuse(door.source, answers.UNREADABLE, identity.reason)
        return NewEvent(
            source=door.source,
            event_key=identity.event_key,
            topic=identity.topic,
            domain=identity.domain,
            cls=self._intake.classify(door.source, identity.topic, request.body),
            headers={name: value for name, value in request.headers if name in door.channel.kept_headers},
            body=request.body,
            correlation_id=_fresh_id(),
            received_at=request.received_at,
        )

    async def _keep(self, event: NewEvent, began: float) -> Answer:
        waiting = self._committer.submit(event)
        receipt = None if waiting is None else await waiting
        if receipt is None:
            reason = "too many wait for a commit" if waiting is None else "the ledger did not commit"
            emit(Name.EVENT_ACCEPT_FAILED, source=event.source, topic=event.topic, status=503, reason=reason)
            return answers.BUSY
        emit(
            Name.EVENT_ACCEPT_DONE,
            source=event.source,
            topic=event.topic,
            cls=event.cls,
            event_id=receipt.id,
            correlation_id=event.correlation_id,
            result="new" if receipt.new else "duplicate",
            size_bytes=len(event.body),
            duration_s=time.monotonic() - began,
        )
        return answers.taken(receipt.id)

    async def _about_us(self, method: str, path: str) -> Answer:
        if path not in ("/health", "/ready", "/metrics"):
            return answers.UNKNOWN
        if method not in ("GET", "HEAD"):
            return answers.ONLY_GET
        if path == "/health":
            return answers.told(200, {"status": "alive"})
        return await self._ready() if path == "/ready" else answers.text(self._intake.exposition(), CONTENT_TYPE)

    async def _ready(self) -> Answer:
        """Ready is: events can be kept. The broker's state is told, but not needed for that."""
        ledger_up = not self._closing and await _within(self._ledger_works, READY_WITHIN_S)
        state = {
            "ledger": "up" if ledger_up else "down",
            "broker": self._announcer.state,
            "waiting": self._committer.waiting,
        }
        return answers.told(200 if ledger_up else 503, state)

    def _ledger_works(self) -> bool:
        try:
            self._intake.ledger.ping()
        except LedgerUnavailable:
            return False
        return True


async def _within(ask: Callable[[], bool], seconds: float) -> bool:
    """The answer of a blocking question, False if it takes too long; its thread never keeps the process from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def settle(found: bool) -> None:
        if not answer.done():
            answer.set_result(found)

    threading.Thread(target=lambda: loop.call_soon_threadsafe(settle, ask()), daemon=True).start()
    try:
        return await asyncio.wait_for(answer, seconds)
    except TimeoutError:
        return False


def _fresh_id() -> str:
    """A correlation id in the form of a W3C trace id: unique, not secret, and without a call to the system."""
    return f"{random.getrandbits(128):032x}"


def _refuse(source: str, answer: Answer, reason: str) -> Answer:
    emit(Name.EVENT_REFUSE_DONE, source=source, status=answer.status, reason=reason)
    return answer
