"""Names the cross-references a posting to Business Central takes."""

from adapters.erps.base import Need
from adapters.erps.business_central.options import BusinessCentralOptions
from canonical.kinds import AnyDocument
from canonical.order import Order
from canonical.returns import Return

GUEST = "guest"
"""Key of the customer cross-reference that stands in for buyers without one of their own."""

ADJUSTMENT = "adjustment"
"""Key of the account that takes what is given back beside the goods."""


def needs_of(document: AnyDocument, options: BusinessCentralOptions) -> tuple[Need, ...]:
    """Each once, in a stable order. What an option stands in for is not required."""
    if isinstance(document, Order):
        found = _of_order(document, options)
    elif isinstance(document, Return):
        found = _of_return(document, options)
    else:
        found = []
    return tuple(dict.fromkeys(found))


def _of_order(order: Order, options: BusinessCentralOptions) -> list[Need]:
    return [
        Need("customer", order.customer.key or GUEST, required=not options.guest_customer),
        *(Need("item", line.sku) for line in order.lines),
        *(Need("charge", charge.code, required=not options.charge_account) for charge in order.charges),
        *([Need("location", order.location, required=False)] if order.location else []),
    ]


def _of_return(told: Return, options: BusinessCentralOptions) -> list[Need]:
    beside = told.shipping_refund > 0 or told.adjustment > 0 or any(not line.restock for line in told.lines)
    return [
        *(Need("item", line.sku) for line in told.lines if line.restock),
        *([Need("charge", ADJUSTMENT, required=not options.adjustment_account)] if beside else []),
        *(Need("location", line.location, required=False) for line in told.lines if line.location),
    ]
