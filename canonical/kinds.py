"""Names every kind of document and reads one back from its stored JSON."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from canonical.order import Order
from canonical.returns import Return
from canonical.shipment import Shipment

AnyDocument = Annotated[Order | Shipment | Return, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[Order | Shipment | Return] = TypeAdapter(AnyDocument)


def read_document(stored: bytes | str) -> Order | Shipment | Return:
    """The document a stored JSON text holds. Raises pydantic.ValidationError if it is none."""
    return _ADAPTER.validate_json(stored)
