"""What the contract suite asks of an adapter's test bench: documents, postings over real HTTP, and the ERP's own count."""

from collections.abc import Sequence
from typing import Protocol

from adapters.erps.base import Erp, Undone
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.order import Order
from canonical.outcome import Finding, Outcome
from canonical.returns import Return
from canonical.shipment import Shipment

Document = AnyDocument


class Bench(Protocol):
    """One ERP with an adapter before it. Each document it makes has a key nobody else uses."""

    erp: Erp
    cannot: frozenset[Operation]
    """Operations that the ERP's interface has no means for: the adapter refuses them with a remedy."""

    def order(self) -> Order:
        """An order of two lines of several pieces, with a discount, taxes and shipping."""
        ...

    def changed(self, order: Order) -> Order:
        """The same order with other pieces."""
        ...

    def cancelled(self, order: Order) -> Order:
        """The same order, cancelled."""
        ...

    def shipment(self, order: Order) -> Shipment:
        """A part of the order, shipped with a tracking number."""
        ...

    def tracked(self, shipment: Shipment) -> Shipment:
        """The same shipment with one more tracking number."""
        ...

    def refund(self, order: Order, shipment: Shipment) -> Return:
        """Goods of the shipment given back and restocked, with some of the shipping."""
        ...

    def post(self, operation: Operation, document: Document, version: int = 1, *, order: Order | None = None) -> Outcome:
        """Post it; the requests it took are counted in ``spent``."""
        ...

    def post_batch(self, *orders: Order) -> Sequence[Outcome | Undone]:
        """Create orders together, for an adapter that takes batches; the requests it took are counted in ``spent``."""
        ...

    def find(self, operation: Operation, document: Document, version: int = 1, *, order: Order | None = None) -> Finding:
        """Look it up."""
        ...

    @property
    def spent(self) -> int:
        """Requests the last posting took."""
        ...

    def lose_answer(self, number: int) -> None:
        """From now on the ``number``-th write (1 the next) takes effect and its answer is lost; later ones are whole."""
        ...

    def lost(self) -> bool:
        """Whether an answer was lost since lose_answer(); nothing is lost any more."""
        ...

    def effects(self, document: Document) -> int:
        """Records in the ERP that stand for the document, by the ERP's own account."""
        ...
