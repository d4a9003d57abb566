"""Posts orders: looked up by key, created whole by one insert, changed line by line in one transaction, cancelled by deletion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from adapters.erps.base import Posting, Undone
from adapters.erps.business_central.faults import misplaced
from adapters.erps.business_central.keys import order_key
from adapters.erps.business_central.options import MOST_OPERATIONS, BusinessCentralOptions
from adapters.erps.business_central.sales import Draft, draft_of, tolerance
from adapters.erps.business_central.standing import Line, Open, Standing, look
from adapters.erps.business_central.wire import Refused, Shown, Wire
from adapters.http.caller import Caller
from adapters.wire.odata import Part
from adapters.wire.odata_faults import Fault, in_doubt
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Conflict, Done, Finding, Outcome, Rejected

RECORD = "salesOrders"


@dataclass(frozen=True, slots=True)
class Orders:
    """Sales orders of one company."""

    wire: Wire
    options: BusinessCentralOptions

    def post(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """The operation asked for. Keys are not unique in Business Central, so each begins with a look."""
        if posting.operation not in ("order.create", "order.update", "order.cancel"):
            return misplaced(posting.operation, order.kind)
        there = self._look(order, caller, lines=posting.operation == "order.update")
        if not isinstance(there, Standing):
            return there
        match posting.operation:
            case "order.create":
                return self.create(posting, order, there, caller)
            case "order.update":
                return self.update(posting, order, there, caller)
            case _:
                return self.cancel(order, there, caller)

    def create(self, posting: Posting, order: Order, there: Standing, caller: Caller) -> Outcome:
        """Insert header and lines by one request, unless the order is there."""
        if there.known:
            return self._already(order, there)
        draft = draft_of(posting, order, self.options)
        if isinstance(draft, Rejected):
            return draft
        made = self.wire.write(caller, f"{RECORD}.create", "POST", RECORD, draft.body)
        return self._created(order, made) if isinstance(made, Mapping) else made

    def create_together(self, postings: Sequence[Posting], caller: Caller) -> list[Outcome | Undone]:
        """Insert several orders in one transaction. A refusal rolls all of them back and names the one to blame."""
        orders = [posting.document for posting in postings if isinstance(posting.document, Order)]
        found = look(self.wire, caller, [order_key(order.source, order.key) for order in orders])
        if not isinstance(found, Mapping):
            return [found] * len(postings)
        outcomes: dict[int, Outcome | Undone] = {}
        parts: dict[int, Part] = {}
        for n, (posting, order) in enumerate(zip(postings, orders, strict=True)):
            there = found[order_key(order.source, order.key)]
            draft = self._already(order, there) if there.known else draft_of(posting, order, self.options)
            if isinstance(draft, Draft):
                parts[n] = Part("POST", RECORD, draft.body)
            else:
                outcomes[n] = draft
        if parts:
            made = self.wire.write_together(caller, f"{RECORD}.batch", list(parts.values()))
            outcomes |= self._shared(dict(zip(parts, range(len(parts)), strict=True)), orders, made)
        return [outcomes[n] for n in range(len(postings))]

    def update(self, posting: Posting, order: Order, there: Standing, caller: Caller) -> Outcome:
        """Put the newest state in place in one transaction, each line by its mark; an order never posted is inserted."""
        if not there.known:
            return self.create(posting, order, there, caller)
        draft = draft_of(posting, order, self.options)
        if isinstance(draft, Rejected):
            return draft
        if there.order is None:
            return _as_posted(order, there, draft)
        parts = changes(there.order, draft)
        return self._change(there.order, parts, caller) if parts else AlreadyDone(there.order.id)

    def _change(self, there: Open, parts: Sequence[Part], caller: Caller) -> Outcome:
        if len(parts) > MOST_OPERATIONS:
            remedy = "change the order by hand in Business Central, then retry: what is as told is taken as done"
            return Rejected("business-central.too_many_changes", f"{len(parts)} changes do not fit one transaction", remedy)
        made = self.wire.write_together(caller, f"{RECORD}.update", parts)
        if isinstance(made, Refused):
            return made.fault
        return Done(there.id) if isinstance(made, list) else made

    def cancel(self, order: Order, there: Standing, caller: Caller) -> Outcome:
        """Delete the order: Business Central has no cancelled state. What was posted of it stays and cannot be called back."""
        key = order_key(order.source, order.key)
        if there.order is None:
            return _posted(order.key) if there.known else AlreadyDone(key)
        if there.shipments or there.invoices:
            remedy = (
                "close the rest of the order in Business Central by hand, then retry; what was shipped is the return's matter"
            )
            return Rejected("business-central.shipped", f"order {order.key!r} is shipped in part", remedy)
        gone = self.wire.write(caller, f"{RECORD}.delete", "DELETE", f"{RECORD}({there.order.id})", None, etag=there.order.etag)
        return Done(key) if isinstance(gone, Mapping) else gone

    def find(self, posting: Posting, order: Order, caller: Caller) -> Finding:
        """Whether this posting's effect stands. Without a field for a version, an update is known by its content."""
        there = self._look(order, caller, lines=posting.operation == "order.update")
        if not isinstance(there, Standing):
            return there
        if posting.operation == "order.cancel":
            return Absent() if there.known else AlreadyDone(order_key(order.source, order.key))
        if posting.operation == "order.create" or not there.known:
            return AlreadyDone(there.remote_id or order_key(order.source, order.key)) if there.known else Absent()
        draft = draft_of(posting, order, self.options)
        if isinstance(draft, Rejected):
            return draft
        if there.order is None:
            return _as_posted(order, there, draft)
        return Absent() if changes(there.order, draft) else AlreadyDone(there.order.id)

    def _look(self, order: Order, caller: Caller, *, lines: bool) -> Standing | Fault:
        key = order_key(order.source, order.key)
        found = look(self.wire, caller, [key], lines=lines)
        return found[key] if isinstance(found, Mapping) else found

    def _already(self, order: Order, there: Standing) -> Outcome:
        remote_id = there.remote_id or order_key(order.source, order.key)
        wrong = None if there.order is None else self._total_differs(order, there.order.shown)
        return wrong or AlreadyDone(remote_id)

    def _created(self, order: Order, made: Shown) -> Outcome:
        if not isinstance(made.get("id"), str):
            return in_doubt(f"{RECORD}.create: the answer names no order", writes=True)
        return self._total_differs(order, made) or Done(str(made["id"]))

    def _total_differs(self, order: Order, shown: Shown) -> Rejected | None:
        if not self.options.check_total:
            return None
        try:
            rest = order.total - Decimal(str(shown["totalAmountIncludingTax"]))
        except (KeyError, InvalidOperation):
            return None
        if abs(rest) <= tolerance(order):
            return None
        reason = f"sales order {shown.get('number')} stands, {rest} {order.currency} below what the customer owes"
        remedy = "correct the order in Business Central until the totals agree, then retry; see the option 'tax_account'"
        return Rejected("business-central.total", reason, remedy)

    def _shared(
        self, numbers: Mapping[int, int], orders: Sequence[Order], made: list[Shown] | Refused | Fault
    ) -> dict[int, Outcome | Undone]:
        if isinstance(made, list):
            return {n: self._created(orders[n], made[part]) for n, part in numbers.items()}
        if not isinstance(made, Refused):
            return dict.fromkeys(numbers, made)
        if not isinstance(made.fault, Rejected | Conflict):
            return dict.fromkeys(numbers, made.fault)
        undone = Undone(f"{RECORD}.batch: rolled back for another order")
        return {n: made.fault if part == made.number else undone for n, part in numbers.items()}


def changes(there: Open, draft: Draft) -> list[Part]:
    """What brings an open order to the draft, in order; empty if it is so already. Lines without a mark of ours stay."""
    here = f"{RECORD}({there.id})"
    header = {name: value for name, value in draft.header.items() if name in there.shown and _differs(there.shown[name], value)}
    parts = [Part("PATCH", here, header, (("if-match", there.etag),))] if header else []
    had = {line.mark: line for line in there.lines if line.mark.startswith("line_")}
    for mark, told in draft.lines.items():
        if mark not in had:
            parts.append(Part("POST", f"{here}/salesOrderLines", {**told, "description2": mark}))
        elif body := _line_changes(had[mark], told):
            parts.append(Part("PATCH", f"salesOrderLines({had[mark].id})", body, (("if-match", "*"),)))
    gone = [line for mark, line in had.items() if mark not in draft.lines]
    return parts + [Part("DELETE", f"salesOrderLines({line.id})", None, (("if-match", "*"),)) for line in gone]


def _line_changes(line: Line, told: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if _differs(line.shown.get(name), value)}


def _differs(shown: object, told: object) -> bool:
    if isinstance(told, Decimal | int) and not isinstance(told, bool):
        return Decimal(str(shown or 0)) != told
    if isinstance(told, str) and isinstance(shown, str):
        return shown.casefold() != told.casefold()
    return shown != told


def _as_posted(order: Order, there: Standing, draft: Draft) -> AlreadyDone | Rejected:
    """What becomes of a change to an order that left whole: nothing where the goods are as posted, or were given back since."""
    had: dict[str, tuple[Decimal, Decimal]] = {}
    for row in (line for shipment in there.shipments for line in shipment.get("salesShipmentLines") or ()):
        mark = str(row.get("description2") or "").partition(" ")[0]
        pieces = Decimal(str(row.get("quantity") or 0))
        had[mark] = (had.get(mark, (Decimal(0),))[0] + pieces, Decimal(str(row.get("unitPrice") or 0)))
    goods = {mark: line for mark, line in draft.lines.items() if line["lineType"] == "Item"}
    told = {mark: (Decimal(str(line["quantity"])), Decimal(str(line["unitPrice"]))) for mark, line in goods.items()}
    if all(mark in had and pieces <= had[mark][0] and price == had[mark][1] for mark, (pieces, price) in told.items()):
        return AlreadyDone(there.remote_id or order_key(order.source, order.key))
    return _posted(order.key)


def _posted(key: str) -> Rejected:
    remedy = "correct it in Business Central by a credit memo or a new order; what was posted cannot be changed"
    return Rejected("business-central.posted", f"order {key!r} is shipped and invoiced whole", remedy)
