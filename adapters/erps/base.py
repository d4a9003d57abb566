"""Port of an ERP: find and post one effect of one document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from adapters.http.caller import Caller
from adapters.http.target import Target
from canonical.kinds import AnyDocument
from canonical.operation import OPERATIONS, Operation
from canonical.order import Order
from canonical.outcome import Finding, Outcome

RefKind = Literal["item", "customer", "tax", "location", "charge", "account"]


@dataclass(frozen=True, slots=True)
class References:
    """Target-side ids of what a document names, by kind and our own key: ``items["SKU-1"] == "501"``."""

    by_kind: Mapping[RefKind, Mapping[str, str]] = field(default_factory=dict)

    def get(self, kind: RefKind, key: str) -> str | None:
        """The target's id, None if the cross-reference is missing."""
        return self.by_kind.get(kind, {}).get(key)


@dataclass(frozen=True, slots=True)
class Posting:
    """One intended effect. ``version`` counts the document's versions from 1; ``order_remote_id`` is the ERP's
    order for what belongs to an order, updates and cancels (None while unknown); ``attempt`` counts from 1.
    """

    delivery_id: int
    operation: Operation
    version: int
    document: AnyDocument
    order: Order | None
    references: References
    order_remote_id: str | None
    attempt: int
    correlation_id: str


class Need(Struct, frozen=True):
    """A cross-reference a posting takes; without a required one the delivery is parked as a business exception."""

    kind: RefKind
    key: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """What a target's table in fleet.toml says: ``options`` are the adapter's own, checked by it at boot."""

    name: str
    url: str
    secret: str = field(repr=False)
    max_execution_s: float
    answer_timeout_s: float
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class Erp(Protocol):
    """One ERP account. Thread-safe. Outcomes are returned, never raised; every request goes out through the caller given,
    which spends the bundle's permit: an adapter holds no connection and no throttle of its own.
    """

    http: Target
    """Where its requests go and what goes with each; the worker keeps one `Client` for it and opens a `Caller` a bundle."""

    max_execution_s: float
    """Longest time a request may still take effect after its answer was lost: an uncertain post is looked up after it."""

    def needs(self, document: AnyDocument) -> tuple[Need, ...]:
        """Cross-references the document's posting takes, in a stable order."""
        ...

    def calls(self, operation: Operation) -> int:
        """Requests a posting of this operation usually takes: the permit taken before it is fetched."""
        ...

    def find(self, posting: Posting, caller: Caller) -> Finding:
        """Look the effect up by its key: AlreadyDone with the remote id, or Absent."""
        ...

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        """Make the effect happen, resuming a half-finished chain of requests where the ERP needs several."""
        ...


@dataclass(frozen=True, slots=True)
class Undone:
    """A posting that its batch did not make, without anything being known against the posting itself: a batch that is all or
    nothing was refused, for it or for another one. Posting it again is safe: the step posts smaller parts, at last it alone.
    """

    reason: str


@runtime_checkable
class BatchErp(Protocol):
    """The optional part of an ERP that takes several postings in one call. Thread-safe, as `Erp`.

    A batch holds postings of one operation whose effects are not in doubt and which belong to different orders.
    """

    def batch(self, operation: Operation) -> int:
        """Most postings of the operation that one call may carry and that pay; 1 for none."""
        ...

    def post_batch(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        """Make several effects happen; one answer for each posting, in their order. A lost answer leaves every posting that
        it concerned Uncertain.
        """
        ...


def batch_of(erp: Erp, operation: str) -> int:
    """Postings of an operation that the ERP takes in one call; 1 for an ERP that knows no batches, or for no operation."""
    if not isinstance(erp, BatchErp):
        return 1
    return max(1, erp.batch(operation)) if operation in OPERATIONS else 1
