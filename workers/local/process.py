"""Names a process so that a reused number is never mistaken for it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

POLL_S = 0.02


@dataclass(frozen=True)
class Process:
    """One process: its number, and when the kernel started it (clock ticks after boot)."""

    pid: int
    born: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this number now. Raises ProcessLookupError if there is none."""
        born = born_at(pid)
        if born is None:
            raise ProcessLookupError(f"there is no process {pid}")
        return cls(pid, born)

    def alive(self) -> bool:
        """True while it runs; a child of ours that ended is reaped on the way."""
        _reap(self.pid)
        return born_at(self.pid) == self.born

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it still runs."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait_gone(self, wait_s: float) -> bool:
        """True once it has ended, False if it still runs after ``wait_s``."""
        deadline = time.monotonic() + wait_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


def born_at(pid: int) -> int | None:
    """When process ``pid`` was started, in ticks after boot; None if there is none or it is a zombie."""
    try:
        # the name in the second field may hold spaces and brackets: count from its end
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
