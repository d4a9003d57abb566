"""Names the reservation: pieces that are set aside for one order until they are shipped, released, or the time is over."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from canonical.document import Document
from canonical.model import Frozen, Key, Moment
from canonical.order import MOST_LINES, Quantity
from canonical.stock import Location


class ReservationLine(Frozen):
    """Pieces of one SKU set aside; without a location whoever takes the reservation chooses where."""

    sku: Key
    quantity: Quantity
    location: Location | None = None


class Reservation(Document):
    """Stock set aside for an order of the same source, which may be told later, or never: a basket reserves as well.

    ``status`` released gives all of it back. After ``expires_at`` it holds nothing any more, released or not; none means that
    it is held until it is released.
    """

    kind: Literal["reservation"] = "reservation"
    order_key: Key
    number: Key | None = None
    status: Literal["requested", "released"] = "requested"
    expires_at: Moment | None = None
    lines: Annotated[tuple[ReservationLine, ...], Field(min_length=1, max_length=MOST_LINES)]

    @property
    def order(self) -> str:
        """Key of the order it is for."""
        return self.order_key

    @model_validator(mode="after")
    def _lines_are_distinct(self) -> "Reservation":
        if len({(line.sku, line.location) for line in self.lines}) != len(self.lines):
            raise ValueError("two lines name the same sku at the same location: add them up")
        return self
