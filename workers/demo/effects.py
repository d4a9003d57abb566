"""Says how the model's orders look in the sandbox ERP: which records under which external ids, with which amounts."""

from collections.abc import Iterator
from decimal import Decimal

from workers.demo.model import Expected, OrderEnd
from workers.sandbox.judge import ExpectedEffect

ORDER, FULFILMENT = "salesOrder", "itemFulfillment"
AUTHORIZATION, RECEIPT, CREDIT = "returnAuthorization", "itemReceipt", "creditMemo"


def effects_of(expected: Expected) -> list[ExpectedEffect]:
    """Every record the ERP's log must show committed, and no other."""
    return [effect for end in expected.orders.values() for effect in _of(end)]


def order_id(source: str, key: str) -> str:
    """External id of an order's sales order."""
    return f"{source}-{key}"


def _of(end: OrderEnd) -> Iterator[ExpectedEffect]:
    if end.ends == "withdrawn":
        yield ExpectedEffect(ORDER, order_id(end.source, end.key), optional=True)
    if end.ends != "posted":
        return
    yield ExpectedEffect(ORDER, order_id(end.source, end.key), total=end.total, quantity=Decimal(end.pieces))
    for part in end.shipments:
        yield ExpectedEffect(FULFILMENT, f"shipment-{end.source}-{part.key}", quantity=Decimal(part.pieces))
    for part in end.returns:
        name, quantity = f"{end.source}-{part.key}", Decimal(part.pieces)
        # A refund that overtakes its fulfilment is a credit alone: goods that have not left cannot come back.
        yield ExpectedEffect(AUTHORIZATION, f"return-{name}", total=part.total, quantity=quantity, optional=True)
        yield ExpectedEffect(RECEIPT, f"receipt-{name}", quantity=quantity, optional=True)
        yield ExpectedEffect(CREDIT, f"credit-{name}", total=part.total, quantity=quantity)
