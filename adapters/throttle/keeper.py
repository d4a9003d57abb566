"""Keeps the leases of this process alive: one background thread for all throttles."""

import os
import threading
from collections.abc import Callable

Renew = Callable[[], bool]


class Keeper:
    """Calls every watched ``renew`` each ``every_s`` while it returns True (it still holds leases); sleeps when none is
    left.

    A killed process renews nothing, so its leases end by their own life. Safe across a fork: the child starts afresh.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._wake = threading.Condition()
        self._watched: set[Renew] = set()
        self._thread: threading.Thread | None = None

    def watch(self, renew: Renew) -> None:
        """Renew from now on; watching twice is harmless."""
        if self._pid != os.getpid():
            self._begin()
        if renew in self._watched:
            return
        with self._wake:
            self._watched.add(renew)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="throttle-keeper", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            with self._wake:
                while not self._watched:
                    self._wake.wait()
                due = list(self._watched)
            pause.wait(self._every_s)
            for renew in due:
                self._renew(renew)

    def _renew(self, renew: Renew) -> None:
        if renew():
            return
        with self._wake:
            self._watched.discard(renew)
        # A lease taken between the answer and the removal found itself still watched.
        if renew():
            self.watch(renew)
