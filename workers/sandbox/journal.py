"""The sandbox's own append-only log: one JSON line a request, on disk before the answer is sent."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """One line. ``committed`` is true only for a write that changed something; ``replayed`` for one that repeated what was there.

    ``answer`` is the status sent, or ``lost`` or ``reset``; ``late`` marks a write that took effect after its answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    at: datetime
    took_ms: float
    method: str
    path: str
    operation: str
    record: str | None = None
    external_id: str | None = None
    version: str | None = None
    reference: str | None = None
    internal_id: str | None = None
    parent_id: str | None = None
    committed: bool = False
    replayed: bool = False
    quantity: str | None = None
    total: str | None = None
    currency: str | None = None
    answer: int | str = 200
    throttled: bool = False
    late: bool = False
    fault: str | None = None


class Journal:
    """Appends to the log file; a line is with the operating system when append() returns (no fsync)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._count = 0

    def append(self, line: dict[str, object]) -> None:
        """Write one line; ``at`` is epoch seconds of the request's arrival."""
        self._count += 1
        at = datetime.fromtimestamp(float(str(line.pop("at"))), UTC).isoformat()
        os.write(self._fd, (json.dumps({"n": self._count, "at": at, **line}) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def entries(path: Path) -> Iterator[Entry]:
    """The log's lines. A last line cut short by a crash is left out: its answer was never sent."""
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield Entry.model_validate_json(line)
