"""Runs the clock of a rehearsal: what is due next is done next, and the time between is skipped."""

import heapq
from collections.abc import Callable, Iterator

_LEAST_S = 1e-6


class Agenda:
    """Acts by their moment (epoch seconds); of one moment in the order in which they were asked for. Used by one thread."""

    def __init__(self, starts_s: float) -> None:
        self.now_s = starts_s
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def clock(self) -> float:
        """The time, epoch seconds."""
        return self.now_s

    def at(self, moment_s: float, act: Callable[[], None]) -> None:
        """Do it then; at once if that has passed."""
        self._count += 1
        heapq.heappush(self._due, (max(moment_s, self.now_s), self._count, act))

    def after(self, wait_s: float, act: Callable[[], None]) -> None:
        """Do it so many seconds from now; a wait too short for the clock's own precision still passes."""
        self.at(self.now_s + max(wait_s, _LEAST_S if wait_s > 0 else 0.0), act)

    def play(self, waits: Iterator[float]) -> None:
        """Go through work that says of itself how long each piece takes."""
        wait_s = next(waits, None)
        if wait_s is not None:
            self.after(wait_s, lambda: self.play(waits))

    def step(self, until_s: float) -> bool:
        """Do what is due next. False when nothing is, or not before ``until_s``."""
        if not self._due or self._due[0][0] > until_s:
            return False
        self.now_s, _, act = heapq.heappop(self._due)
        act()
        return True
