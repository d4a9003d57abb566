"""Hands a posting to the part of an adapter that knows its document, for ERPs that keep orders, shipments and returns apart."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from adapters.erps.base import Posting
from adapters.http.caller import Caller
from canonical.kinds import AnyDocument
from canonical.order import Order
from canonical.outcome import Absent, Finding, Outcome, Rejected
from canonical.returns import Return
from canonical.shipment import Shipment

Document_contra = TypeVar("Document_contra", bound=Order | Shipment | Return, contravariant=True)


class Desk(Protocol[Document_contra]):
    """What an adapter does with one kind of document. As the two methods of `Erp`."""

    def find(self, posting: Posting, document: Document_contra, caller: Caller, /) -> Finding: ...
    def post(self, posting: Posting, document: Document_contra, caller: Caller, /) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Desks:
    """The three of an account."""

    orders: Desk[Order]
    shipments: Desk[Shipment]
    returns: Desk[Return]

    def find(self, posting: Posting, caller: Caller) -> Finding:
        """Look the effect up where its document belongs."""
        match posting.document:
            case Order() as order:
                return self.orders.find(posting, order, caller)
            case Shipment() as shipment:
                return self.shipments.find(posting, shipment, caller)
            case Return() as told:
                return self.returns.find(posting, told, caller)
            case _:
                return Absent()

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        """Make the effect happen where its document belongs."""
        match posting.document:
            case Order() as order:
                return self.orders.post(posting, order, caller)
            case Shipment() as shipment:
                return self.shipments.post(posting, shipment, caller)
            case Return() as told:
                return self.returns.post(posting, told, caller)
            case other:
                return not_taken(other)


def not_taken(document: AnyDocument) -> Rejected:
    """What becomes of a document that an ERP's adapter has no way to express."""
    remedy = f"leave {document.kind} out of the kinds of this target's route; the adapter `open` takes it"
    return Rejected("erp.not_supported", f"this ERP's adapter posts no {document.kind}", remedy)
