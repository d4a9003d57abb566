"""Names what every document has: where it comes from, which one it is, and how new the told state is."""

from typing import Literal

from canonical.model import Frozen, Key, Moment

Kind = Literal["order", "shipment", "return", "stock", "reservation", "milestone", "count", "settlement"]
Domain = Literal["orders", "shipments", "returns", "stock"]

DOMAIN_OF: dict[Kind, Domain] = {
    "order": "orders",
    "shipment": "shipments",
    "return": "returns",
    "stock": "stock",
    "reservation": "stock",
    "milestone": "shipments",
    "count": "stock",
    "settlement": "returns",
}


class Document(Frozen):
    """Common head of the canonical documents.

    ``source`` and ``key`` name it for good: the configured source and the source's own business key.
    ``as_of`` is when the source says this state was true: an older one never replaces a newer one.
    """

    schema_version: Literal[1] = 1
    source: Key
    key: Key
    as_of: Moment

    @property
    def order(self) -> str:
        """Key of the order this document belongs to; its own key for an order, and for what belongs to none (a stock position).

        Effects that share it keep their order.
        """
        return self.key
