"""Posts orders: one sales order a key, created by one request, changed and closed after a look at its lines."""

from dataclasses import dataclass

from adapters.erps.base import Posting
from adapters.erps.netsuite.faults import Fault, Gone, Taken, in_doubt, misplaced
from adapters.erps.netsuite.keys import order_key
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.records import CLOSED, Line, Transaction, transaction_of
from adapters.erps.netsuite.sales import REPLACED, beside_lines, marks, order_body
from adapters.erps.netsuite.wire import Wire, Wrote, change, insert_or_update
from adapters.http.caller import Caller
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Rejected
from canonical.returns import Return
from canonical.shipment import Shipment

RECORD = "salesOrder"


@dataclass(frozen=True, slots=True)
class Orders:
    """Sales orders of one account."""

    wire: Wire
    options: NetSuiteOptions

    def post(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """The operation asked for."""
        match posting.operation:
            case "order.create":
                return self.create(posting, order, caller)
            case "order.update":
                return self.update(posting, order, caller)
            case "order.cancel":
                return self.cancel(posting, order, caller)
            case other:
                return misplaced(other, order.kind)

    def create(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """Insert or update under the key with all lines in place of any before: sent twice it is still one order."""
        return self._put(posting, order, caller, None)

    def update(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """Put the newest state in place, each line under the number it has; an order that was never posted is inserted.

        Some channels take pieces that were given back after shipping off the order. A sales order keeps what has left, and
        the return credits it: then the lines stay as they are.
        """
        there = look(self.wire, self.options, caller, _key(order), lines=True)
        if isinstance(there, Gone):
            return self._put(posting, order, caller, None)
        if not isinstance(there, Transaction):
            return there
        if there.version >= posting.version:
            return AlreadyDone(there.id)
        if not _given_back(order, there):
            return self._put(posting, order, caller, there)
        if _otherwise_changed(order, there):
            remedy = "change the other lines in NetSuite by hand; what was given back after shipping is the return's matter"
            return Rejected("netsuite.shipped_lines", f"order {order.key!r} lost shipped pieces and changed besides", remedy)
        body = beside_lines(posting, order, self.options)
        return self._done(self.wire.write(caller, change(RECORD, there.id, body)), order.key)

    def cancel(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """Close what has not been shipped; an order that still waits for approval is cancelled whole."""
        there = look(self.wire, self.options, caller, _key(order), lines=True)
        if isinstance(there, Gone):
            return absent_order(order.key)
        if not isinstance(there, Transaction):
            return there
        if _is_cancelled(there, posting.version):
            return AlreadyDone(there.id)
        body = marks(posting, self.options)
        if there.status == "A":
            body["orderStatus"] = "C"
        elif still_open := _open_lines(there):
            body["item"] = {"items": [{"line": line.number, "isClosed": True} for line in still_open]}
        return self._done(self.wire.write(caller, change(RECORD, there.id, body)), order.key)

    def find(self, posting: Posting, order: Order, caller: Caller) -> Finding:
        """The order under its key, if it holds this version's effect."""
        there = look(self.wire, self.options, caller, _key(order), lines=posting.operation == "order.cancel")
        if isinstance(there, Gone):
            return Absent()
        if not isinstance(there, Transaction):
            return there
        if posting.operation == "order.cancel":
            done = _is_cancelled(there, posting.version)
        elif posting.operation == "order.create":
            # An account without the marker's field still proves a creation: the record is there.
            done = there.version >= posting.version or there.version == 0
        else:
            done = there.version >= posting.version
        return AlreadyDone(there.id) if done else Absent()

    def _put(self, posting: Posting, order: Order, caller: Caller, there: Transaction | None) -> Outcome:
        numbers = None if there is None else numbers_of(there.lines)
        body = order_body(posting, order, self.options, numbers)
        if isinstance(body, Rejected):
            return body
        ask = insert_or_update(RECORD, order_key(order.source, order.key), body, REPLACED)
        return self._done(self.wire.write(caller, ask), order.key)

    @staticmethod
    def _done(written: Wrote | Gone | Taken | Fault, key: str) -> Outcome:
        match written:
            case Wrote(id):
                return Done(id)
            case Gone():
                return absent_order(key)
            case Taken():
                return in_doubt(f"order {key!r}: its external id is said to be taken", writes=True)
            case _:
                return written


def look(wire: Wire, options: NetSuiteOptions, caller: Caller, key: str, *, lines: bool) -> Transaction | Gone | Fault:
    """A sales order by ``eid:`` key or internal id; with ``lines``, only if all of them came."""
    shown = wire.show(caller, RECORD, key, lines=lines)
    if isinstance(shown, Gone | Fault):
        return shown
    there = transaction_of(shown, options)
    if lines and not there.whole:
        remedy = "change the order by hand in NetSuite: it has more lines than one answer holds"
        return Rejected("netsuite.lines_cut", f"sales order {there.id} was not shown with all its lines", remedy)
    return there


def name_of_order(posting: Posting, document: Shipment | Return) -> str:
    """What a follow-up document calls its order: NetSuite's own id where known, else our key."""
    return posting.order_remote_id or f"eid:{order_key(document.source, document.order_key)}"


def absent_order(key: str) -> Rejected:
    """NetSuite lacks an order that was posted: one order's effects go out in order, so it was deleted or renamed there."""
    remedy = "restore the order in NetSuite under its external id, or retry the delivery that creates it; then retry this one"
    return Rejected("netsuite.order_absent", f"NetSuite has no sales order for {key!r}", remedy)


def numbers_of(lines: tuple[Line, ...]) -> dict[str, int]:
    """Line numbers by our line key."""
    return {line.key: line.number for line in lines if line.key is not None}


def _key(order: Order) -> str:
    return f"eid:{order_key(order.source, order.key)}"


def _is_cancelled(there: Transaction, version: int) -> bool:
    return there.version >= version and (there.status in CLOSED or not _open_lines(there))


def _open_lines(there: Transaction) -> list[Line]:
    return [line for line in there.lines if not line.closed and line.fulfilled < line.quantity]


def _given_back(order: Order, there: Transaction) -> list[Line]:
    """Lines of which the order now tells fewer pieces than have left."""
    told = {line.key: line.quantity for line in order.lines}
    return [line for line in there.lines if _is_goods(line) and line.fulfilled > told.get(line.key or "", 0)]


def _otherwise_changed(order: Order, there: Transaction) -> bool:
    """Whether any line besides those given back is new, gone or of another quantity."""
    given_back = {line.key for line in _given_back(order, there)}
    told = {line.key: line.quantity for line in order.lines if line.key not in given_back}
    had = {line.key: line.quantity for line in there.lines if _is_goods(line) and not line.closed and line.key not in given_back}
    return told != had


def _is_goods(line: Line) -> bool:
    return line.key is not None and not line.key.startswith("charge:")
