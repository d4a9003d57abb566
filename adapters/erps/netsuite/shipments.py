"""Posts shipments: a fulfilment made from the order's own lines, keyed by its external id, and its tracking afterwards."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.erps.base import Posting, References
from adapters.erps.netsuite.faults import Fault, Gone, Taken, in_doubt, misplaced
from adapters.erps.netsuite.follow_up import Made, make
from adapters.erps.netsuite.keys import fulfilment_key
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.orders import RECORD as SALES_ORDER
from adapters.erps.netsuite.orders import absent_order, look, name_of_order
from adapters.erps.netsuite.records import Line, Transaction, transaction_of
from adapters.erps.netsuite.sales import marks
from adapters.erps.netsuite.wire import Body, Wire, Wrote, change, transform
from adapters.http.caller import Caller
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Rejected
from canonical.shipment import Shipment

RECORD = "itemFulfillment"
SHIPPED = "C"


@dataclass(frozen=True, slots=True)
class Shipments:
    """Item fulfilments of one account."""

    wire: Wire
    options: NetSuiteOptions

    def post(self, posting: Posting, shipment: Shipment, caller: Caller) -> Outcome:
        """The operation asked for."""
        match posting.operation:
            case "shipment.create":
                return self.create(posting, shipment, caller)
            case "shipment.update":
                return self.update(posting, shipment, caller)
            case other:
                return misplaced(other, shipment.kind)

    def create(self, posting: Posting, shipment: Shipment, caller: Caller) -> Outcome:
        """Fulfil exactly the shipment's pieces. A refusal is believed only when no fulfilment has the key."""
        order = look(self.wire, self.options, caller, name_of_order(posting, shipment), lines=True)
        if isinstance(order, Gone):
            return absent_order(shipment.order_key)
        if not isinstance(order, Transaction):
            return order
        taken = pieces_of(shipment, order.lines, posting.references)
        if isinstance(taken, Rejected):
            return taken
        key = fulfilment_key(shipment.source, shipment.key)
        ask = transform(SALES_ORDER, order.id, RECORD, self._body(posting, shipment, order, taken))
        match make(self.wire, caller, ask, key):
            case Made(id, before):
                return AlreadyDone(id) if before else Done(id)
            case Gone():
                return absent_order(shipment.order_key)
            case fault:
                return fault

    def update(self, posting: Posting, shipment: Shipment, caller: Caller) -> Outcome:
        """Bring the tracking up to date; what has left cannot be changed or called back by us."""
        there = self._look(shipment, caller, lines=True)
        if isinstance(there, Gone):
            return _undone(shipment)
        if not isinstance(there, Transaction):
            return there
        if there.version >= posting.version:
            return AlreadyDone(there.id)
        return _unchangeable(shipment, there, posting.references) or self._track(posting, shipment, there, caller)

    def find(self, posting: Posting, shipment: Shipment, caller: Caller) -> Finding:
        """The fulfilment under its key, if it holds this version's effect."""
        there = self._look(shipment, caller, lines=False)
        if isinstance(there, Gone):
            return Absent()
        if not isinstance(there, Transaction):
            return there
        # A second creation follows a cancellation told meanwhile: the goods that left are still the same.
        done = posting.operation == "shipment.create" or there.version >= posting.version
        return AlreadyDone(there.id) if done else Absent()

    def _track(self, posting: Posting, shipment: Shipment, there: Transaction, caller: Caller) -> Outcome:
        body = marks(posting, self.options) | _tracking(shipment)
        match self.wire.write(caller, change(RECORD, there.id, body, "package")):
            case Wrote(id):
                return Done(id)
            case Gone():
                return _undone(shipment)
            case Taken():
                return in_doubt(f"shipment {shipment.key!r}: its external id is said to be taken", writes=True)
            case fault:
                return fault

    def _look(self, shipment: Shipment, caller: Caller, *, lines: bool) -> Transaction | Gone | Fault:
        key = fulfilment_key(shipment.source, shipment.key)
        shown = self.wire.show(caller, RECORD, f"eid:{key}", lines=lines)
        return shown if isinstance(shown, Gone | Fault) else transaction_of(shown, self.options)

    def _body(self, posting: Posting, shipment: Shipment, order: Transaction, taken: dict[int, int]) -> Body:
        told = posting.references.get("location", shipment.location) if shipment.location else None
        place: dict[str, object] = {"location": {"id": told or self.options.location}} if told or self.options.location else {}
        rows = [_row(line, taken.get(line.number, 0), place) for line in order.lines if line.number in taken or _offered(line)]
        body: dict[str, object] = {"externalId": fulfilment_key(shipment.source, shipment.key), "shipStatus": {"id": SHIPPED}}
        body |= {"tranDate": shipment.shipped_at.date().isoformat(), "memo": shipment.number or shipment.key}
        return body | marks(posting, self.options) | {"item": {"items": rows}} | _tracking(shipment)


def pieces_of(shipment: Shipment, lines: Sequence[Line], references: References) -> dict[int, int] | Rejected:
    """Pieces to take of each line number: by our line key, else by the item where the lines carry no key."""
    taken: Counter[int] = Counter()
    for told in shipment.lines:
        found = line_of(told.order_line, references.get("item", told.sku), lines)
        if found is None:
            remedy = "see whether the order in NetSuite still has the line, put it back, then retry"
            return Rejected("netsuite.line_missing", f"the sales order has no line {told.order_line!r}", remedy)
        taken[found.number] += told.quantity
    return dict(taken)


def line_of(key: str, item: str | None, lines: Sequence[Line]) -> Line | None:
    """The line that carries our key; a line without any key stands for its item."""
    marked = next((line for line in lines if line.key == key), None)
    return marked or next((line for line in lines if line.key is None and line.item == item), None)


def _offered(line: Line) -> bool:
    """Whether NetSuite offers the line for fulfilment, so that it must be told to leave it out; charges never are."""
    return not line.closed and line.fulfilled < line.quantity and not (line.key or "").startswith("charge:")


def _row(line: Line, pieces: int, place: dict[str, object]) -> Body:
    if not pieces:
        return {"orderLine": line.number, "itemReceive": False}
    return {"orderLine": line.number, "itemReceive": True, "quantity": pieces} | place


def _tracking(shipment: Shipment) -> dict[str, object]:
    """One package a tracking number; the weight is NetSuite's obligatory field, and no channel tells it."""
    packages = [
        {"packageTrackingNumber": number[:64], "packageWeight": 1, "packageDescr": (shipment.carrier or "")[:100]}
        for number in shipment.tracking_numbers
    ]
    return {"package": {"items": packages}} if packages else {}


def _unchangeable(shipment: Shipment, there: Transaction, references: References) -> Rejected | None:
    if shipment.status == "cancelled":
        remedy = "delete the fulfilment in NetSuite if the goods did not leave, then retry: its absence is taken as done"
        return Rejected("netsuite.shipped", f"fulfilment {there.id} has relieved stock and cannot be called back", remedy)
    told: Counter[str | None] = Counter()
    for line in shipment.lines:
        told[references.get("item", line.sku)] += line.quantity
    had: Counter[str | None] = Counter()
    for row in there.lines:
        had[row.item] += int(row.quantity)
    if None in told or not there.whole or told == had:
        return None
    remedy = "correct the fulfilment in NetSuite by hand, then retry"
    return Rejected("netsuite.fulfilled_otherwise", f"fulfilment {there.id} holds other pieces than now told", remedy)


def _undone(shipment: Shipment) -> AlreadyDone | Rejected:
    if shipment.status == "cancelled":
        return AlreadyDone(f"eid:{fulfilment_key(shipment.source, shipment.key)}")
    remedy = "retry the delivery that creates the shipment, then this one"
    return Rejected("netsuite.shipment_absent", f"NetSuite has no fulfilment for shipment {shipment.key!r}", remedy)
