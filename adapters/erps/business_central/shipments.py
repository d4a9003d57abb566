"""Posts shipments: marks the lines that leave and their pieces, then ships and invoices them in one posting.

API v2.0 knows one way out of the house, ``Microsoft.NAV.shipAndInvoice``, and no field for tracking numbers. The lines' second
description carries the shipment's digest into the posted shipment, by which it is found again.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.base import Posting
from adapters.erps.business_central.faults import misplaced
from adapters.erps.business_central.keys import line_mark, order_key, shipment_mark
from adapters.erps.business_central.options import MOST_OPERATIONS, BusinessCentralOptions
from adapters.erps.business_central.orders import RECORD
from adapters.erps.business_central.standing import Open, Standing, look
from adapters.erps.business_central.wire import Refused, Shown, Wire
from adapters.http.caller import Caller
from adapters.wire.odata import Part
from adapters.wire.odata_faults import Fault
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Rejected
from canonical.shipment import Shipment


@dataclass(frozen=True, slots=True)
class Shipments:
    """Posted shipments of one company."""

    wire: Wire
    options: BusinessCentralOptions

    def post(self, posting: Posting, shipment: Shipment, caller: Caller) -> Outcome:
        """The operation asked for."""
        if posting.operation not in ("shipment.create", "shipment.update"):
            return misplaced(posting.operation, shipment.kind)
        there = self._look(shipment, caller)
        if not isinstance(there, Standing):
            return there
        posted = _posted(shipment, there)
        if posting.operation == "shipment.update":
            return self._update(shipment, posted)
        if posted is not None:
            return AlreadyDone(str(posted["id"]))
        return self._create(shipment, there, caller)

    def find(self, posting: Posting, shipment: Shipment, caller: Caller) -> Finding:
        """The posted shipment with our mark."""
        there = self._look(shipment, caller)
        if not isinstance(there, Standing):
            return there
        posted = _posted(shipment, there)
        if posted is None or (posting.operation == "shipment.update" and self.options.tracking == "refuse"):
            return Absent()
        return AlreadyDone(str(posted["id"]))

    def _create(self, shipment: Shipment, there: Standing, caller: Caller) -> Outcome:
        if there.order is None:
            return absent_order(shipment.order_key)
        parts = _marked(shipment, there.order)
        if isinstance(parts, Rejected):
            return parts
        match self.wire.write_together(caller, f"{RECORD}.mark", parts):
            case list():
                pass
            case Refused(fault=fault):
                return fault
            case fault:
                return fault
        action = f"{RECORD}({there.order.id})/Microsoft.NAV.shipAndInvoice"
        posted = self.wire.write(caller, f"{RECORD}.ship", "POST", action, None)
        # The action answers without the posted document; its order's id names it until a look-up tells its own.
        return self._named(shipment, caller) if isinstance(posted, Mapping) else posted

    def _named(self, shipment: Shipment, caller: Caller) -> Outcome:
        there = self._look(shipment, caller)
        posted = _posted(shipment, there) if isinstance(there, Standing) else None
        # Posted it is, whatever the look-up says: the mark names it where the id could not be read.
        return Done(str(posted["id"]) if posted else shipment_mark(shipment.source, shipment.key))

    def _update(self, shipment: Shipment, posted: Shown | None) -> Outcome:
        if shipment.status == "cancelled":
            if posted is None:
                return AlreadyDone(shipment_mark(shipment.source, shipment.key))
            remedy = "undo the posted shipment in Business Central and credit its invoice by hand, then settle this by hand"
            return Rejected("business-central.shipped", f"shipment {shipment.key!r} is posted and invoiced", remedy)
        if posted is None:
            remedy = "retry the delivery that creates the shipment, then this one"
            return Rejected("business-central.shipment_absent", f"shipment {shipment.key!r} is not posted", remedy)
        if self.options.tracking == "ignore":
            return AlreadyDone(str(posted["id"]))
        remedy = "enter the tracking number in Business Central by hand, or set the option tracking = 'ignore'"
        return Rejected("business-central.tracking", "API v2.0 has no field for a shipment's tracking numbers", remedy)

    def _look(self, shipment: Shipment, caller: Caller) -> Standing | Fault:
        key = order_key(shipment.source, shipment.order_key)
        found = look(self.wire, caller, [key], lines=True)
        return found[key] if isinstance(found, Mapping) else found


def absent_order(key: str) -> Rejected:
    """Business Central lacks an order that was posted, or holds nothing of it that could still leave."""
    remedy = "restore the order in Business Central under its external document number, then retry"
    return Rejected("business-central.order_absent", f"Business Central has no open sales order for {key!r}", remedy)


def _posted(shipment: Shipment, there: Standing) -> Shown | None:
    """The posted shipment in which pieces left under our mark: a line left behind is carried along with none."""
    mark = shipment_mark(shipment.source, shipment.key)
    for row in there.shipments:
        for line in row.get("salesShipmentLines") or ():
            if str(line.get("description2") or "").endswith(f" {mark}") and Decimal(str(line.get("quantity") or 0)) > 0:
                return row
    return None


def _marked(shipment: Shipment, order: Open) -> list[Part] | Rejected:
    """Each line with the pieces that leave now: none of those not named, and every charge with the first shipment."""
    leaving: Counter[str] = Counter()
    for told in shipment.lines:
        leaving[line_mark(told.order_line)] += told.quantity
    had = {line.mark for line in order.lines}
    lacking = next((told.order_line for told in shipment.lines if line_mark(told.order_line) not in had), None)
    if lacking is not None:
        remedy = "see whether the order in Business Central still has the line, put it back, then retry"
        return Rejected("business-central.line_missing", f"the sales order has no line {lacking!r}", remedy)
    parts = []
    for line in order.lines:
        pieces = Decimal(leaving[line.mark])
        if line.shown.get("lineType") == "Account":
            pieces = line.number("quantity") - line.number("shippedQuantity")
        body: dict[str, object] = {"shipQuantity": pieces, "invoiceQuantity": pieces}
        if pieces:
            body["description2"] = f"{line.mark} {shipment_mark(shipment.source, shipment.key)}"
        parts.append(Part("PATCH", f"salesOrderLines({line.id})", body, (("if-match", "*"),)))
    if len(parts) > MOST_OPERATIONS:
        remedy = "ship the order by hand in Business Central, then settle this by hand"
        return Rejected("business-central.too_many_lines", f"{len(parts)} lines do not fit one transaction", remedy)
    return parts
