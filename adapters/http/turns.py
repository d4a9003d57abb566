"""Lets one thread have several requests under way: whoever waits for an answer hands the thread to another one's turn.

Code that sends requests is written as if it had the thread to itself. Each piece of such work runs as a coroutine of greenlet;
where its connection would wait, the next piece goes on. Threads would do the same at the price of a switch of the system's for
every send and answer, and of waiting for the interpreter after each.
"""

import contextvars
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # ships no types

READ, WRITE = select.POLLIN, select.POLLOUT
_LOOK_AT_STOP_S = 0.1

_taking: "ContextVar[_Turns | None]" = ContextVar("http_turns", default=None)


def side_by_side(works: Sequence[Callable[[], None]], most: int) -> None:
    """Do all the works on this thread, up to ``most`` under way at once; they begin in their order.

    If one raises, none is begun any more, those under way are finished, and what the first one raised is raised.
    """
    if most <= 1 or len(works) <= 1:
        for work in works:
            work()
        return
    _Turns(most).run(works)


def wait(file: int, events: int, wait_s: float) -> bool:
    """Until the file is ready for the events, at most ``wait_s``; False if it was not. Others have their turn meanwhile."""
    turns = _taking.get()
    if turns is not None:
        return turns.wait(file, events, wait_s)
    poll = select.poll()
    poll.register(file, events)
    return bool(poll.poll(max(0.0, wait_s) * 1000))


def rest(wait_s: float, stop: threading.Event) -> bool:
    """For so long, or until ``stop`` is set; returns whether it is. Others have their turn meanwhile."""
    turns = _taking.get()
    if turns is None:
        return stop.wait(wait_s)
    until = time.monotonic() + wait_s
    while not stop.is_set() and (left_s := until - time.monotonic()) > 0:
        turns.rest(min(left_s, _LOOK_AT_STOP_S))
    return stop.is_set()


@contextmanager
def undivided() -> Iterator[None]:
    """Nobody else has a turn on this thread meanwhile. For whatever holds a lock while it waits for an answer: the next one
    that wants the lock is perhaps on the same thread, and would wait for ever.
    """
    token = _taking.set(None)
    try:
        yield
    finally:
        _taking.reset(token)


class _Turns:
    """The works of one thread that are under way."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._poll = select.poll()
        self._waiting: dict[int, tuple[greenlet, float]] = {}
        self._rests = 0
        self._idle: list[greenlet] = []
        self._fault: BaseException | None = None
        self._home = getcurrent()

    def run(self, works: Sequence[Callable[[], None]]) -> None:
        left = iter(works)
        begun = self._begin_some(left)
        while self._waiting:
            self._wake()
            if begun:
                begun = self._begin_some(left)
        for turn in self._idle:
            turn.switch(None)
        if self._fault is not None:
            raise self._fault

    def wait(self, file: int, events: int, wait_s: float) -> bool:
        """The turn of the work that calls ends here, until its file is ready or its time is over."""
        self._poll.register(file, events)
        self._waiting[file] = getcurrent(), time.monotonic() + wait_s
        return bool(self._home.switch())

    def rest(self, wait_s: float) -> None:
        """The turn of the work that calls ends here, for so long."""
        self._rests += 1
        self._waiting[-self._rests] = getcurrent(), time.monotonic() + wait_s
        self._home.switch()

    def _begin_some(self, left: Iterator[Callable[[], None]]) -> bool:
        """Begin as many as may be under way; False when there are none left to begin."""
        while len(self._waiting) < self._most and self._fault is None:
            work = next(left, None)
            if work is None:
                return False
            self._turn().switch(work)
        return self._fault is None

    def _turn(self) -> greenlet:
        """Who does the next work: one that is through with his, or a new one."""
        if self._idle:
            return self._idle.pop()
        turn = greenlet(self._in_turns)
        turn.gr_context = contextvars.copy_context()
        return turn

    def _in_turns(self, work: Callable[[], None] | None) -> None:
        """One work after the other, each in a context of its own. A greenlet for each would map a stack and unmap it again."""
        _taking.set(self)
        while work is not None:
            try:
                contextvars.copy_context().run(work)
            except BaseException as fault:  # noqa: BLE001  raised in the thread's own name once the others are done
                self._fault = self._fault or fault
            self._idle.append(getcurrent())
            work = self._home.switch()

    def _wake(self) -> None:
        """Give everybody a turn whose file is ready, then those whose time is over."""
        soonest = min(until for _, until in self._waiting.values())
        for file, _ in self._poll.poll(max(0.0, soonest - time.monotonic()) * 1000):
            self._go_on(file, ready=True)
        now = time.monotonic()
        if soonest <= now:
            for file in [file for file, (_, until) in self._waiting.items() if until <= now]:
                self._go_on(file, ready=False)

    def _go_on(self, file: int, *, ready: bool) -> None:
        turn, _ = self._waiting.pop(file)
        if file >= 0:
            self._poll.unregister(file)
        turn.switch(ready)
