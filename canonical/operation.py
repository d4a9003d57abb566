"""Names the operations: every effect that a document may have on the outside."""

from typing import Literal, get_args

Operation = Literal[
    "order.create",
    "order.update",
    "order.cancel",
    "shipment.create",
    "shipment.update",
    "return.create",
    "stock.publish",
    "reservation.create",
    "reservation.update",
    "reservation.release",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
