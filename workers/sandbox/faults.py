"""Faults the sandbox can be told to have: what, for which requests, how often, when."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "outage",
    "reset",
    "lost_answer",
    "late_answer",
    "late_commit",
    "error_500",
    "html_200",
    "truncated",
    "empty_200",
    "unauthorized",
    "poison",
    "slow_answer",
    "double_commit",
    "late_job",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_COMMITTING: frozenset[Kind] = frozenset({"lost_answer", "late_answer", "truncated", "slow_answer", "double_commit", "late_job"})


class Fault(BaseModel):
    """One fault. It strikes requests of ``operation`` (a pattern such as ``*.transform``, or ``read``, ``write``, ``*``)
    and of ``external_id`` if given, with ``probability``, at most ``next`` times, from ``after_s`` on for ``for_s`` seconds.

    ``wait_s`` is how late a late answer, commit or job is, and the pause between the bytes of a slow answer.
    ``commits`` overrides whether the write takes effect in spite of the fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    operation: str = "*"
    external_id: str | None = None
    probability: float = Field(default=1.0, ge=0, le=1)
    next: int | None = Field(default=None, ge=1)
    after_s: float = Field(default=0.0, ge=0)
    for_s: float | None = Field(default=None, gt=0)
    wait_s: float = Field(default=1.0, ge=0)
    retry_after_s: int | None = Field(default=None, ge=0)
    commits: bool | None = None

    @property
    def does_commit(self) -> bool:
        """Whether the write takes effect before the answer goes wrong."""
        return self.kind in _COMMITTING if self.commits is None else self.commits


@dataclass(slots=True)
class Armed:
    """A fault that has been switched on, and how often it has struck."""

    number: int
    fault: Fault
    armed_at: float
    hits: int = 0

    def over(self, now: float) -> bool:
        """Whether it can never strike again."""
        fault = self.fault
        used_up = fault.next is not None and self.hits >= fault.next
        return used_up or (fault.for_s is not None and now >= self.armed_at + fault.after_s + fault.for_s)


class Faults:
    """The faults switched on; the first that matches a request strikes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, seed: int | None = None) -> None:
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - chance, not a secret
        self._armed: list[Armed] = []
        self._count = 0
        self.struck: dict[str, int] = {}

    def arm(self, fault: Fault) -> int:
        """Switch a fault on; its number is the handle for disarm()."""
        self._count += 1
        self._armed.append(Armed(self._count, fault, self._clock()))
        return self._count

    def disarm(self, number: int | None = None) -> int:
        """Switch one fault off, or all; how many were switched off."""
        before = len(self._armed)
        self._armed = [] if number is None else [a for a in self._armed if a.number != number]
        return before - len(self._armed)

    def listing(self) -> list[Armed]:
        """All faults ever armed and not disarmed, with their hits."""
        return list(self._armed)

    def strike(self, operation: str, external_ids: frozenset[str], *, writes: bool) -> Fault | None:
        """The fault this request suffers, None for a healthy one."""
        if not self._armed:
            return None
        now = self._clock()
        for armed in self._armed:
            if self._hits(armed, now, operation, external_ids, writes):
                armed.hits += 1
                self.struck[armed.fault.kind] = self.struck.get(armed.fault.kind, 0) + 1
                return armed.fault
        return None

    def _hits(self, armed: Armed, now: float, operation: str, external_ids: frozenset[str], writes: bool) -> bool:
        fault = armed.fault
        if armed.over(now) or now < armed.armed_at + fault.after_s:
            return False
        if fault.external_id is not None and fault.external_id not in external_ids:
            return False
        if fault.operation in {"read", "write"}:
            if writes != (fault.operation == "write"):
                return False
        elif not fnmatchcase(operation, fault.operation):
            return False
        return fault.probability >= 1.0 or self._random.random() < fault.probability


def nearest(word: str, known: tuple[str, ...]) -> str:
    """A hint for a misspelt word, empty if nothing is near."""
    found = get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
