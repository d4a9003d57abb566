"""Names the milestone: a step that somebody outside has taken with an order, a shipment or a return, and when."""

from typing import Literal

from pydantic import Field

from canonical.document import Document
from canonical.model import Key, Moment

Step = Literal[
    "warehouse_confirmed",
    "picked",
    "packed",
    "out_for_delivery",
    "delivery_failed",
    "delivered",
    "return_requested",
    "return_received",
    "return_inspected",
    "refund_issued",
]
"""``warehouse_confirmed``: the warehouse has taken the work on; ``refund_issued``: the customer has got the money."""


class Milestone(Document):
    """A witness: kept and compared, posted nowhere. It may come before its order, or without one that is known.

    ``at`` is when the step was taken; ``as_of`` when the sender said so last, for a moment may be corrected. ``shipment_key`` and
    ``return_key`` name what the step was taken with, where it is less than the whole order.
    """

    kind: Literal["milestone"] = "milestone"
    order_key: Key
    shipment_key: Key | None = None
    return_key: Key | None = None
    step: Step
    at: Moment = Field(description="when the step was taken")
    location: Key | None = None

    @property
    def order(self) -> str:
        """Key of the order the step belongs to."""
        return self.order_key

    @property
    def number(self) -> None:
        """People look it up by its order: it has no number of its own."""
