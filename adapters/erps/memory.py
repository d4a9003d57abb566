"""An ERP in memory: the fake of the port that ships with the product. Scripted faults, a log of every effect."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapters.erps.base import Need, Operation, Posting
from adapters.http.caller import Caller
from adapters.http.target import Target
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Uncertain
from canonical.returns import Return
from canonical.shipment import Shipment

Lost = Literal["lost before", "lost after"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One committed write: which operation on which document, at which version."""

    operation: Operation
    key: str
    version: int


@dataclass(frozen=True, slots=True)
class Crash:
    """The process ends while it posts: ``error`` is raised, before or after the effect."""

    error: BaseException
    after_effect: bool = False


@dataclass(slots=True)
class MemoryErp:
    """Takes every posting once a key, or does what ``script`` says next: an outcome instead of the effect, an answer
    lost before or after it, a crash. Thread-safe; sends nothing through the caller.
    """

    http: Target = field(default_factory=lambda: Target("memory", "http://127.0.0.1:1"))
    max_execution_s: float = 2.0
    script: deque[Outcome | Lost | Crash] = field(default_factory=deque)
    effects: list[Effect] = field(default_factory=list)
    deadly: dict[str, BaseException] = field(default_factory=dict)
    """Errors raised by every posting of a document, by ``kind/source/key``: a poisoned row."""
    items: bool = True
    _numbers: dict[Effect, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def needs(self, document: Order | Shipment | Return) -> tuple[Need, ...]:
        """An item of each line's SKU."""
        skus: Iterable[str] = dict.fromkeys(line.sku for line in document.lines) if self.items else ()
        return tuple(Need("item", sku) for sku in skus)

    def calls(self, operation: Operation) -> int:
        """One."""
        del operation
        return 1

    def find(self, posting: Posting, caller: Caller) -> Finding:
        """By operation, key and version."""
        del caller
        number = self._numbers.get(_effect(posting))
        return AlreadyDone(number) if number else Absent()

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        """Once a key and version; a repeat is a second effect, which the log then shows."""
        del caller
        with self._lock:
            effect = _effect(posting)
            if effect.key in self.deadly:
                raise self.deadly[effect.key]
            planned = self.script.popleft() if self.script else None
            if isinstance(planned, Crash) and not planned.after_effect:
                raise planned.error
            if planned == "lost before":
                return Uncertain("connection reset")
            if planned is not None and not isinstance(planned, str | Crash):
                return planned
            self.effects.append(effect)
            number = self._numbers.setdefault(effect, f"M{len(self.effects)}")
            if isinstance(planned, Crash):
                raise planned.error
            return Uncertain("connection reset") if planned == "lost after" else Done(number)

    @property
    def doubled(self) -> Mapping[Effect, int]:
        """Effects that were made more than once, with how often."""
        return {effect: n for effect in self.effects if (n := self.effects.count(effect)) > 1}


def _effect(posting: Posting) -> Effect:
    document = posting.document
    return Effect(posting.operation, f"{document.kind}/{document.source}/{document.key}", posting.version)
