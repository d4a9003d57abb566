"""Names every kind of document and reads one back from its stored JSON."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from canonical.count import Count
from canonical.milestone import Milestone
from canonical.order import Order
from canonical.reservation import Reservation
from canonical.returns import Return
from canonical.settlement import Settlement
from canonical.shipment import Shipment
from canonical.stock import StockPosition

AnyDocument = Order | Shipment | Return | StockPosition | Reservation | Milestone | Count | Settlement

_ADAPTER: TypeAdapter[AnyDocument] = TypeAdapter(Annotated[AnyDocument, Field(discriminator="kind")])


def read_document(stored: bytes | str) -> AnyDocument:
    """The document a stored JSON text holds. Raises pydantic.ValidationError if it is none."""
    return _ADAPTER.validate_json(stored)
