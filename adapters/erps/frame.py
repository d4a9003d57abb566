"""Hands a posting to the part of an adapter that knows its document, for ERPs that keep the three kinds apart."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from adapters.erps.base import Posting
from adapters.http.caller import Caller
from canonical.order import Order
from canonical.outcome import Finding, Outcome
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

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        """Make the effect happen where its document belongs."""
        match posting.document:
            case Order() as order:
                return self.orders.post(posting, order, caller)
            case Shipment() as shipment:
                return self.shipments.post(posting, shipment, caller)
            case Return() as told:
                return self.returns.post(posting, told, caller)
