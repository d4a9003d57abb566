"""Reads a Shopify fulfilment event as a milestone: what the carrier says of a parcel.

Contract: shopify.dev, REST admin resource FulfillmentEvent, which is the body of fulfillment_events/create.
"""

from collections.abc import Mapping
from datetime import datetime

from adapters.channels.shopify.payload import FulfillmentEventPayload, key
from canonical.milestone import Milestone, Step

_STEPS: Mapping[str, Step] = {
    "out_for_delivery": "out_for_delivery",
    "attempted_delivery": "delivery_failed",
    "delivered": "delivered",
    "picked_up": "delivered",
}
"""Statuses that are steps of ours. ``confirmed`` is Shopify's word for knowing nothing else, so it confirms nothing."""


def milestone_of(told: FulfillmentEventPayload, source: str, as_of: datetime) -> Milestone | None:
    """The milestone, or None for a status that is no step of ours. Raises pydantic.ValidationError."""
    step = _STEPS.get(told.status)
    if step is None:
        return None
    return Milestone.model_validate(
        {
            "source": source,
            "key": key(told.id),
            "as_of": as_of,
            "order_key": key(told.order_id),
            "shipment_key": key(told.fulfillment_id),
            "step": step,
            "at": told.happened_at or as_of,
        }
    )
