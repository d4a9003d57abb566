"""Keeps what answers taught until the next call to Redis takes it along: good ones summed up, bad ones in order."""

import json
import threading
from dataclasses import asdict

from adapters.throttle.base import Hints, Report


class News:
    """Thread-safe. ``add`` says whether it can wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._good: dict[str, list[float]] = {}
        self._bad: list[tuple[str, str, float, float]] = []
        self._hints: Hints | None = None
        self._hinted = ""
        self._granted = 0
        self._sent: list[str] = []

    @property
    def waiting(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._good or self._bad or self._hints is not None or self._granted or self._sent)

    def add(self, seen: Report) -> bool:
        """Keep one exchange. True if it may wait for the next call; refusals and failures may not."""
        with self._lock:
            if seen.hints is not None:
                self._hints, self._hinted = seen.hints, seen.operation
            if seen.verdict != "ok":
                retry_after_s = -1.0 if seen.retry_after_s is None else seen.retry_after_s
                self._bad.append((seen.operation, seen.verdict, retry_after_s, seen.latency_s))
                return False
            sums = self._good.setdefault(seen.operation, [0, 0.0])
            sums[0] += 1
            sums[1] += seen.latency_s
            return True

    def granted(self, calls: int) -> None:
        """Calls this process let go by itself, in a lane that nothing bounds."""
        with self._lock:
            self._granted += calls

    def sent(self, lease: str) -> None:
        """A call of this lease has left."""
        with self._lock:
            self._sent.append(lease)

    def take(self) -> str:
        """All of it as the script reads it, empty if there is nothing; from here on it is told."""
        if not self.waiting:
            return ""
        with self._lock:
            told: dict[str, object] = {}
            if self._good:
                told["ok"] = self._good
            if self._bad:
                told["bad"] = self._bad
            if self._hints is not None:
                told["hints"] = {name: value for name, value in asdict(self._hints).items() if value is not None}
                told["hinted"] = self._hinted
            if self._granted:
                told["granted"] = self._granted
            if self._sent:
                told["sent"] = self._sent
            self._clear()
        return json.dumps(told, separators=(",", ":")) if told else ""
