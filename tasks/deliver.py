"""Does one delivery: look the effect up if it is in doubt, post it if it is absent. Returns an outcome, writes nothing."""

from typing import cast

from adapters.erps.base import Erp, Posting, References
from adapters.http.caller import Caller
from canonical.kinds import read_document
from canonical.operation import Operation
from canonical.order import Order
from canonical.outcome import Absent, Outcome
from ledger.deliveries import Claimed


def deliver(erp: Erp, claimed: Claimed, caller: Caller) -> Outcome:
    """Make the claimed effect happen, exactly once in effect."""
    posting = posting_of(claimed)
    if claimed.uncertain:
        finding = erp.find(posting, caller)
        if not isinstance(finding, Absent):
            return finding
    return erp.post(posting, caller)


def posting_of(claimed: Claimed) -> Posting:
    """What the ERP's adapter needs of a claimed row."""
    order = read_document(claimed.order_body) if claimed.order_body else None
    return Posting(
        delivery_id=claimed.id,
        operation=cast("Operation", claimed.operation),
        version=claimed.version,
        document=read_document(claimed.body),
        order=cast("Order | None", order),
        references=References(cast("dict", claimed.references)),  # type: ignore[type-arg]  # kinds are checked on the way in
        order_remote_id=claimed.order_remote_id,
        attempt=claimed.attempts + 1,
        correlation_id=claimed.correlation_id,
    )
