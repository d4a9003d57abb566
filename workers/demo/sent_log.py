"""The sender's own log: one line an attempt, with what was answered; the only witness of what was accepted."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send webhook number ``n``. Times are epoch seconds; without an answer ``error`` says why."""

    n: int
    attempt: int
    sent_at: float
    ended_at: float
    status: int | None
    error: str = ""

    @property
    def accepted(self) -> bool:
        """Answered 2xx."""
        return self.status is not None and 200 <= self.status < 300


class SentLog:
    """Appends attempts to a file and keeps them; safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._attempts: list[Attempt] = []

    def append(self, attempt: Attempt) -> None:
        """Write one line."""
        with self._lock:
            self._file.write(json.dumps(asdict(attempt)) + "\n")
            self._attempts.append(attempt)

    def so_far(self) -> Sequence[Attempt]:
        """Everything written up to now."""
        with self._lock:
            return tuple(self._attempts)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def attempts(path: Path) -> Iterator[Attempt]:
    """The log's lines, read back from the file. Raises OSError."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Attempt(**json.loads(line))
