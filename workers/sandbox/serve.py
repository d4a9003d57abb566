"""Serving the sandbox over HTTP in this process until it is told to stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from workers.sandbox.app import sandbox
from workers.sandbox.faults import Fault
from workers.sandbox.front import Front
from workers.sandbox.journal import Journal
from workers.sandbox.limits import Gate, Limits
from workers.sandbox.webhooks.app import WebhookSandbox
from workers.sandbox.wire import Receive, Scope, Send

_BACKLOG = 1024

Application = Callable[[Scope, Receive, Send], Coroutine[None, None, None]]


async def serve_app(stop: asyncio.Event, app: Application, host: str, port: int) -> None:
    """Serve any sandbox's application until ``stop`` is set. Requests under way are answered before it returns."""
    server = Server(
        app,
        host,
        port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
    )
    running = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    server.stop()  # type: ignore[no-untyped-call]  # granian leaves it unannotated
    await running


async def serve_until(
    stop: asyncio.Event,
    host: str,
    port: int,
    *,
    log_path: Path,
    limits: Limits | None = None,
    token: str | None = None,
    faults: tuple[Fault, ...] = (),
    webhook_keys: tuple[bytes, ...] = (),
) -> None:
    """Serve until ``stop`` is set. ``token`` is a bearer token that is always good; ``log_path`` is appended to.

    ``webhook_keys`` prove what is posted under ``/webhooks``, which then has a log of its own beside the other.

    Raises OSError if the log cannot be written. Requests under way are answered before it returns.
    """
    journal = Journal(log_path)
    erp = sandbox(journal, limits or Limits(), token, faults)
    if webhook_keys:
        beside = Journal(webhook_log(log_path))
        await serve_app(stop, Front(erp, WebhookSandbox(beside, Gate(Limits()), keys=webhook_keys)), host, port)
        beside.close()
    else:
        await serve_app(stop, erp, host, port)
    journal.close()


def webhook_log(log_path: Path) -> Path:
    """Where the receiving side keeps its log: ``sandbox-erp-webhooks.jsonl`` beside ``sandbox-erp.jsonl``."""
    return log_path.with_stem(f"{log_path.stem}-webhooks")


def serve(
    host: str,
    port: int,
    *,
    log_path: Path,
    limits: Limits | None = None,
    token: str | None = None,
    faults: tuple[Fault, ...] = (),
    webhook_keys: tuple[bytes, ...] = (),
) -> None:
    """Serve until SIGTERM or SIGINT. Blocks; state is in memory and gone afterwards, the log stays."""
    told = partial(serve_until, host=host, port=port, log_path=log_path, limits=limits, token=token, faults=faults)
    asyncio.run(until_told(partial(told, webhook_keys=webhook_keys)))


async def until_told(serving: Callable[[asyncio.Event], Coroutine[None, None, None]]) -> None:
    """Run what serves until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serving(stop)
