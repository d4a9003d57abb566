"""Runs the two kinds of pool: threads that grow and shrink, and Celery's processes with a bounded end."""

import contextlib
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from celery.concurrency.base import BasePool, apply_target
from celery.concurrency.prefork import TaskPool as CeleryPrefork
from celery.concurrency.prefork import _run_ready_callbacks  # type: ignore[attr-defined]  # private, not in the stubs
from kombu.asynchronous import get_event_loop

_log = logging.getLogger(__name__)

STOP_WAIT_S = 60.0
_ROUND_S = 0.05


class ThreadPool(BasePool):
    """Threads of this process; grows and shrinks while it works.

    Time limits of tasks are not enforceable on threads: soft and hard limits are ignored, as in Celery's own thread pool.
    What bounds a task here are the time-outs of the calls it makes. A task cannot be terminated either; at the end the
    pool waits ``stop_wait_s`` for what runs and then leaves it: its message was not acknowledged and runs again.
    """

    in_process = True
    body_can_be_buffer = True
    signal_safe = False
    stop_wait_s = STOP_WAIT_S

    def __init__(self, limit: int = 1, **options: Any) -> None:
        super().__init__(limit=max(1, limit), **options)
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._change = threading.Condition()
        self._threads = 0
        self._busy = 0
        self._waiting = 0

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> None:
        """Queue one task for the next free thread."""

        def work() -> None:
            apply_target(target, args or (), kwargs, callback, accept_callback)

        with self._change:
            self._waiting += 1
            self._spawn()
        self._work.put(work)

    def grow(self, n: int = 1) -> None:
        """Let ``n`` more tasks run at once."""
        with self._change:
            self.limit += n
            self._spawn()

    def shrink(self, n: int = 1) -> None:
        """Let ``n`` fewer tasks run at once; running ones finish. Raises ValueError below one thread."""
        with self._change:
            if self.limit - n < 1:
                raise ValueError(f"the pool has {self.limit} threads: {n} fewer leaves none")
            self.limit -= n
            surplus = max(0, self._threads - self.limit)
            self._threads -= surplus
        for _ in range(surplus):
            self._work.put(None)

    def on_stop(self) -> None:
        """Wait for what runs, at most ``stop_wait_s``; what it acknowledges goes to the broker while we wait."""
        until = time.monotonic() + self.stop_wait_s
        while self._unfinished() and time.monotonic() < until:
            with self._change:
                self._change.wait(_ROUND_S)
            _serve_loop()
        _serve_loop()
        if left := self._unfinished():
            _log.warning("%d tasks did not finish within %g s: their messages go back to their queues", left, self.stop_wait_s)
        for _ in range(self._threads):
            self._work.put(None)

    def _unfinished(self) -> int:
        with self._change:
            return self._busy + self._waiting

    def _spawn(self) -> None:
        if self._threads < self.limit and self._threads < self._busy + self._waiting:
            self._threads += 1
            threading.Thread(target=self._run, name=f"task-{self._threads}", daemon=True).start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            with self._change:
                self._waiting -= 1
                self._busy += 1
            try:
                work()
            except Exception:  # noqa: BLE001 a thread of the pool outlives whatever a callback raises
                _log.exception("a task's end could not be told")
            finally:
                with self._change:
                    self._busy -= 1
                    self._change.notify_all()

    def _get_info(self) -> dict[str, Any]:
        return {
            "implementation": f"{type(self).__module__}:{type(self).__name__}",
            "max-concurrency": self.limit,
            "threads": self._threads,
            "busy": self._busy,
        }


class ProcessPool(CeleryPrefork):
    """Celery's processes, with an end that is bounded: after ``stop_wait_s`` what still runs is killed and runs again."""

    in_process = False
    stop_wait_s = STOP_WAIT_S
    _pool: Any

    def on_stop(self) -> None:
        """Wait for what runs, at most ``stop_wait_s``."""
        guard = threading.Timer(self.stop_wait_s, self._kill_children)
        guard.daemon = True
        guard.start()
        try:
            super().on_stop()
        finally:
            guard.cancel()

    def _kill_children(self) -> None:
        pool = self._pool
        if pool is None:
            return
        _log.warning("processes did not finish within %g s: killed, their messages go back to their queues", self.stop_wait_s)
        # billiard has no public way to give up waiting for answers that will not come.
        pool._result_handler.terminate()  # noqa: SLF001
        for process in list(pool._pool):  # noqa: SLF001
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def _serve_loop() -> None:
    hub = get_event_loop()
    if hub is not None:
        hub.fire_timers()
        _run_ready_callbacks(hub)
