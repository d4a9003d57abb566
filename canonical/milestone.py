"""Names the milestone: a step that somebody outside has taken with an order, a shipment or a return, and when."""

from typing import Literal

from pydantic import Field, model_validator

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

RETURN_STEPS: tuple[Step, ...] = ("return_requested", "return_received", "return_inspected", "refund_issued")


class Milestone(Document):
    """A witness: kept and compared, posted nowhere. It may come before its order, or without one that is known.

    ``at`` is when the step was taken; ``as_of`` when the sender said so last, for a moment may be corrected. A warehouse or a
    carrier that is a source of its own names the source of the order in ``order_source``. ``shipment_key`` and ``return_key``
    name what the step was taken with; a step of a return needs its return: the key of the return as it is told to be posted.
    """

    kind: Literal["milestone"] = "milestone"
    order_key: Key
    order_source: Key | None = Field(default=None, description="the source that told the order, if it is another one")
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
    def of_source(self) -> str:
        """The source that told the order."""
        return self.order_source or self.source

    @property
    def number(self) -> None:
        """People look it up by its order: it has no number of its own."""

    @model_validator(mode="after")
    def _return_is_named(self) -> "Milestone":
        if self.step in RETURN_STEPS and self.return_key is None:
            raise ValueError(f"the step {self.step} needs the return_key of the return it was taken with")
        return self
