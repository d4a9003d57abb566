"""Runs the receiver as one process, on one event loop, until a signal; leaves in order and in bounded time."""

import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from tasks.marking import Marking
from telemetry import Name, emit
from workers.receiver.announcer import Announcer
from workers.receiver.app import Application
from workers.receiver.committer import Committer
from workers.receiver.connection import Bounds
from workers.receiver.doors import Intake
from workers.receiver.port import Port

ANSWER_WITHIN_S = 6.0
CONFIRM_WITHIN_S = 3.0
MARK_WITHIN_S = 3.0
STOP_WITHIN_S = 2.0
_SWITCH_S = 0.0002
BOUNDS = Bounds(1_024)


def serve(intake: Intake, *, host: str, port: int, bounds: Bounds = BOUNDS, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT. ``ready`` is called once the port is open. Raises OSError if it cannot be."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(intake, host, port, bounds, ready))


async def _serve(intake: Intake, host: str, number: int, bounds: Bounds, ready: Callable[[], None]) -> None:
    # The committing thread wakes between requests: Python's 5 ms turn would be most of a request's time. Shorter turns than
    # this one cost more in handing over than they save in waiting.
    sys.setswitchinterval(_SWITCH_S)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(told, stop.set)
    parts = _Parts.of(intake, loop)
    port = Port(parts.application.respond, host, number, bounds, loop)
    parts.start()
    port.start()
    loop.call_soon(ready)
    await stop.wait()
    await parts.finish()
    await port.close(STOP_WITHIN_S)
    emit(Name.WORKER_STOP_DONE, role="receiver")


@dataclass(frozen=True, slots=True)
class _Parts:
    """The pieces of one running receiver."""

    application: Application
    committer: Committer
    announcer: Announcer
    marking: Marking

    @classmethod
    def of(cls, intake: Intake, loop: asyncio.AbstractEventLoop) -> "_Parts":
        marking = Marking(intake.ledger, intake.now)
        announcer = Announcer(intake.broker_url, marking.note, loop)
        committer = Committer(intake.ledger, announcer.announce, loop)
        return cls(Application(intake, committer, announcer), committer, announcer, marking)

    def start(self) -> None:
        self.marking.start()
        self.announcer.start()
        self.committer.start()

    async def finish(self) -> None:
        """Answer what is open, commit, confirm, note: in this order, each with its deadline."""
        await self.application.close(ANSWER_WITHIN_S)
        await self.committer.drain(ANSWER_WITHIN_S)
        self.committer.close()
        await self.announcer.close(CONFIRM_WITHIN_S)
        self.marking.close(MARK_WITHIN_S)
