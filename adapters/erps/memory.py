"""An ERP in memory: the fake of the port that ships with the product. Scripted faults, a log of every effect."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from adapters.erps.base import Need, Posting, Undone
from adapters.http.caller import Caller
from adapters.http.target import Target
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Rejected, Uncertain
from canonical.reservation import Reservation
from canonical.returns import Return
from canonical.shipment import Shipment
from canonical.stock import StockPosition

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
    refused: dict[str, Rejected] = field(default_factory=dict)
    """Refusals of every posting of a document, by ``kind/source/key``."""
    items: bool = True
    requests: list[int] = field(default_factory=list)
    """Postings each request carried, in order; a look-up carries none."""
    _numbers: dict[Effect, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def needs(self, document: AnyDocument) -> tuple[Need, ...]:
        """An item of each SKU it names."""
        skus: Iterable[str] = dict.fromkeys(_named(document)) if self.items else ()
        return tuple(Need("item", sku) for sku in skus)

    def calls(self, operation: Operation) -> int:
        """One."""
        del operation
        return 1

    def find(self, posting: Posting, caller: Caller) -> Finding:
        """By operation, key and version."""
        del caller
        self.requests.append(0)
        number = self._numbers.get(_effect(posting))
        return AlreadyDone(number) if number else Absent()

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        """Once a key and version; a repeat is a second effect, which the log then shows."""
        del caller
        with self._lock:
            self.requests.append(1)
            effect = _effect(posting)
            if effect.key in self.deadly:
                raise self.deadly[effect.key]
            if effect.key in self.refused:
                return self.refused[effect.key]
            planned = self.script.popleft() if self.script else None
            if isinstance(planned, Crash) and not planned.after_effect:
                raise planned.error
            if planned == "lost before":
                return Uncertain("connection reset")
            if planned is not None and not isinstance(planned, str | Crash):
                return planned
            number = self._make(effect)
            if isinstance(planned, Crash):
                raise planned.error
            return Uncertain("connection reset") if planned == "lost after" else Done(number)

    def _make(self, effect: Effect) -> str:
        self.effects.append(effect)
        return self._numbers.setdefault(effect, f"M{len(self.effects)}")

    @property
    def doubled(self) -> Mapping[Effect, int]:
        """Effects that were made more than once, with how often."""
        return {effect: n for effect in self.effects if (n := self.effects.count(effect)) > 1}


@dataclass(slots=True)
class MemoryBatchErp(MemoryErp):
    """The same ERP, taking up to ``most`` postings in one call: all or nothing if ``atomic``, else each by itself.

    A step of the script is for a whole batch: the outcome of all its postings, or the loss of its answer.
    """

    most: int = 10
    atomic: bool = True

    def batch(self, operation: Operation) -> int:
        """The same for every operation."""
        del operation
        return self.most

    def post_batch(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        """All of them in one request."""
        del caller
        with self._lock:
            self.requests.append(len(postings))
            effects = [_effect(posting) for posting in postings]
            for key in (effect.key for effect in effects if effect.key in self.deadly):
                raise self.deadly[key]
            planned = self.script.popleft() if self.script else None
            if isinstance(planned, Crash) and not planned.after_effect:
                raise planned.error
            if planned is not None and not isinstance(planned, str | Crash):
                return [planned] * len(postings)
            refusals = [self.refused.get(effect.key) for effect in effects]
            blamed = next((refusal for refusal in refusals if refusal), None)
            if self.atomic and blamed is not None:
                return [Undone(blamed.reason)] * len(postings)
            made: list[Outcome] = []
            for effect, refusal in zip(effects, refusals, strict=True):
                made.append(refusal or (Uncertain("lost") if planned == "lost before" else Done(self._make(effect))))
            if isinstance(planned, Crash):
                raise planned.error
            return [Uncertain("connection reset")] * len(postings) if planned == "lost after" else made


def _effect(posting: Posting) -> Effect:
    document = posting.document
    return Effect(posting.operation, f"{document.kind}/{document.source}/{document.key}", posting.version)


def _named(document: AnyDocument) -> Iterable[str]:
    match document:
        case StockPosition():
            return (document.sku,)
        case Order() | Shipment() | Return() | Reservation():
            return (line.sku for line in document.lines)
        case _:
            return ()  # a witness goes to no target
