"""Says how the model's orders look in the sandbox ERP: which records under which external ids, with which amounts.

Only the names are Millrace's (an operator looks records up by them); what must be under them is the model's.
"""

from collections.abc import Iterator
from decimal import Decimal

from adapters.erps.netsuite.keys import authorization_key, credit_key, fulfilment_key, order_key, receipt_key
from workers.demo.model import Expected, OrderEnd, OrderKey
from workers.sandbox.judge import ExpectedEffect

ORDER, FULFILMENT = "salesOrder", "itemFulfillment"
AUTHORIZATION, RECEIPT, CREDIT = "returnAuthorization", "itemReceipt", "creditMemo"


def effects_of(expected: Expected) -> list[ExpectedEffect]:
    """Every record the ERP's log must show committed, and no other."""
    return [effect for end in expected.orders.values() for effect in _of(end)]


def names_of(expected: Expected) -> dict[str, OrderKey]:
    """The order each external id belongs to."""
    found: dict[str, OrderKey] = {}
    for key, end in expected.orders.items():
        found[order_key(end.source, end.key)] = key
        found |= {fulfilment_key(end.source, part.key): key for part in end.shipments}
        for part in end.returns:
            found |= {name(end.source, part.key): key for name in (authorization_key, receipt_key, credit_key)}
    return found


def _of(end: OrderEnd) -> Iterator[ExpectedEffect]:
    order_id = order_key(end.source, end.key)
    if end.ends == "withdrawn":
        yield ExpectedEffect(ORDER, order_id, optional=True)
    if end.ends != "posted":
        return
    yield ExpectedEffect(ORDER, order_id, total=end.total, quantity=Decimal(end.pieces))
    for part in end.shipments:
        yield ExpectedEffect(FULFILMENT, fulfilment_key(end.source, part.key), quantity=Decimal(part.pieces))
    for part in end.returns:
        quantity = Decimal(part.pieces)
        # A refund that overtakes its fulfilment is a credit alone: goods that have not left cannot come back.
        authorization, receipt = authorization_key(end.source, part.key), receipt_key(end.source, part.key)
        yield ExpectedEffect(AUTHORIZATION, authorization, total=part.total, quantity=quantity, optional=True)
        yield ExpectedEffect(RECEIPT, receipt, quantity=quantity, optional=True)
        yield ExpectedEffect(CREDIT, credit_key(end.source, part.key), total=part.total, quantity=quantity)
