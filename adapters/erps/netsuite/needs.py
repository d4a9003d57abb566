"""Names the cross-references a posting to NetSuite takes."""

from collections.abc import Iterable

from adapters.erps.base import Need
from adapters.erps.netsuite.amounts import ADJUSTMENT, SHIPPING, titles_of
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.sales import GUEST
from canonical.kinds import AnyDocument
from canonical.order import Order
from canonical.returns import Return
from canonical.shipment import Shipment


def needs_of(document: AnyDocument, options: NetSuiteOptions) -> tuple[Need, ...]:
    """Each once, in a stable order. What an option stands in for is not required."""
    if isinstance(document, Order):
        found = _of_order(document, options)
    elif isinstance(document, Shipment):
        found = [*_items(line.sku for line in document.lines), *_places([document.location])]
    elif isinstance(document, Return):
        found = _of_return(document, options)
    else:
        found = []
    return tuple(dict.fromkeys(found))


def _of_order(order: Order, options: NetSuiteOptions) -> list[Need]:
    taxes = [tax for line in order.lines for tax in line.taxes] + [tax for charge in order.charges for tax in charge.taxes]
    return [
        Need("customer", order.customer.key or GUEST, required=not options.guest_customer),
        *(Need("item", line.sku) for line in order.lines),
        *(Need("charge", charge.code) for charge in order.charges if charge.code != SHIPPING),
        Need("charge", ADJUSTMENT, required=False),
        *(Need("tax", title, required=False) for title in titles_of(taxes)),
        *_places([order.location]),
    ]


def _of_return(told: Return, options: NetSuiteOptions) -> list[Need]:
    beside = told.shipping_refund > 0 or told.adjustment > 0
    return [
        *_items(line.sku for line in told.lines),
        Need("charge", ADJUSTMENT, required=beside and not options.adjustment_item),
        *_places(line.location for line in told.lines),
    ]


def _items(skus: Iterable[str]) -> list[Need]:
    # The order's own lines tell their item; this one is for lines that carry no key of ours.
    return [Need("item", sku, required=False) for sku in skus]


def _places(locations: Iterable[str | None]) -> list[Need]:
    return [Need("location", key, required=False) for key in locations if key]
