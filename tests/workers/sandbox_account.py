"""A sandbox in this process and over a socket, with a client small enough to see every byte."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.sandbox.app import Sandbox, sandbox
from workers.sandbox.faults import Fault
from workers.sandbox.journal import Entry, Journal, entries
from workers.sandbox.limits import Limits
from workers.sandbox.serve import serve_until

TOKEN = "t0"
RECORD = "/services/rest/record/v1/"
ORDER: dict[str, Any] = {
    "entity": {"id": "110"},
    "orderStatus": "B",
    "location": {"id": "6"},
    "item": {"items": [{"item": {"id": 98}, "quantity": 2, "rate": "10.00"}, {"item": {"id": 501}, "quantity": 3, "rate": 1}]},
}


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["o:errorDetails"][0]["o:errorCode"])

    @property
    def id(self) -> str:
        return self.headers["location"].rpartition("/")[2]


@dataclass
class Account:
    """A sandbox called straight through ASGI."""

    path: Path
    limits: Limits = field(default_factory=Limits)
    app: Sandbox = field(init=False)

    def __post_init__(self) -> None:
        self.app = sandbox(Journal(self.path), self.limits, TOKEN, ())

    def log(self) -> list[Entry]:
        return list(entries(self.path))

    def arm(self, **fault: Any) -> None:
        self.app.faults.arm(Fault.model_validate(fault))

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        return asyncio.run(self.ask(method, path, body, **headers))

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        told = {"authorization": f"Bearer {TOKEN}", "host": "erp"} | {k.replace("_", "-"): v for k, v in headers.items()}
        where, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": where if where.startswith("/") else RECORD + where,
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in told.items()],
            "client": ("127.0.0.1", 1),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        answered = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Reply(sent[0]["status"], answered, b"".join(m.get("body", b"") for m in sent[1:]))


@contextmanager
def served(path: Path, port: int, *faults: Fault, limits: Limits | None = None) -> Iterator[None]:
    """A sandbox on a real socket, in a thread of its own."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    job = serve_until(stop, "127.0.0.1", port, log_path=path, limits=limits, token=TOKEN, faults=faults)
    thread = threading.Thread(target=loop.run_until_complete, args=(job,))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
