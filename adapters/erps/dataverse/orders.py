"""Posts orders: created whole under a unique key, changed line by line with the version last, cancelled by their own action."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.base import Posting, Undone
from adapters.erps.dataverse.faults import Gone, Taken
from adapters.erps.dataverse.options import DataverseOptions
from adapters.erps.dataverse.sales import Draft, draft_of, order_key
from adapters.erps.dataverse.wire import Shown, Wire
from adapters.http.caller import Caller
from adapters.http.target import segment
from adapters.wire.odata_faults import Fault, in_doubt
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Rejected

RECORD = "salesorders"
CANCELLED = 2
"""``statecode`` of a cancelled order."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Sales orders of one environment."""

    wire: Wire
    options: DataverseOptions

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
                return Rejected("dataverse.operation", f"{other} is no posting of an order", "report it with the delivery's id")

    def create(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """Insert order and products by one request. The alternate key refuses a second one: then the first is looked up."""
        draft = draft_of(posting, order, self.options)
        if isinstance(draft, Rejected):
            return draft
        made = self.wire.write(caller, "salesorder.create", "POST", f"/{RECORD}", self._body(posting, order, draft))
        return self._created(order, made, caller)

    def create_many(self, postings: Sequence[Posting], caller: Caller) -> list[Outcome | Undone]:
        """Insert several orders by one request. Each is made or refused by itself; one that is there already is looked up."""
        orders = [posting.document for posting in postings if isinstance(posting.document, Order)]
        drafts = [draft_of(posting, order, self.options) for posting, order in zip(postings, orders, strict=True)]
        outcomes: dict[int, Outcome | Undone] = {n: draft for n, draft in enumerate(drafts) if isinstance(draft, Rejected)}
        bodies = {n: self._body(postings[n], orders[n], d) for n, d in enumerate(drafts) if not isinstance(d, Rejected)}
        if bodies:
            made = self.wire.create_each(caller, "salesorder.batch", RECORD, list(bodies.values()))
            each = made if isinstance(made, list) else [made] * len(bodies)
            outcomes |= {n: self._created(orders[n], one, caller) for n, one in zip(bodies, each, strict=True)}
        return [outcomes[n] for n in range(len(postings))]

    def _created(self, order: Order, made: Shown | Gone | Taken | Fault, caller: Caller) -> Outcome:
        match made:
            case Taken():
                there = self._look(order, caller)
                return AlreadyDone(str(there["salesorderid"])) if isinstance(there, Mapping) else _unseen(there)
            case Gone():
                remedy = "correct the ids in the target's options and cross-references, then retry"
                return Rejected("dataverse.reference", "salesorder.create: a record it refers to does not exist", remedy)
            case Mapping():
                known = isinstance(made.get("salesorderid"), str)
                doubt = in_doubt("salesorder.create: the answer names no order", writes=True)
                return Done(str(made["salesorderid"])) if known else doubt
            case fault:
                return fault

    def update(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """Bring each product to the newest state, then the order with its version: a broken chain is gone through again."""
        there = self._look(order, caller)
        if isinstance(there, Gone):
            return self.create(posting, order, caller)
        if not isinstance(there, Mapping):
            return there
        if _version(there, self.options) >= posting.version:
            return AlreadyDone(str(there["salesorderid"]))
        draft = draft_of(posting, order, self.options)
        if isinstance(draft, Rejected):
            return draft
        here = f"/{RECORD}({there['salesorderid']})"
        for name, method, path, body in self._changes(there, draft):
            done = self.wire.write(caller, name, method, path, body, etag="" if method == "POST" else "*")
            if not isinstance(done, Mapping):
                return _met(done)
        header = {**draft.header, self.options.version_column: posting.version}
        done = self.wire.write(caller, "salesorder.update", "PATCH", here, header, etag="*")
        return Done(str(there["salesorderid"])) if isinstance(done, Mapping) else _met(done)

    def cancel(self, posting: Posting, order: Order, caller: Caller) -> Outcome:
        """Close the order as cancelled."""
        there = self._look(order, caller)
        if isinstance(there, Gone):
            remedy = "restore the order in Dataverse under its key, or retry the delivery that creates it; then retry this one"
            return Rejected("dataverse.order_absent", f"Dataverse has no order {order.key!r}", remedy)
        if not isinstance(there, Mapping):
            return there
        if there.get("statecode") == CANCELLED:
            return AlreadyDone(str(there["salesorderid"]))
        close = {
            "@odata.type": "Microsoft.Dynamics.CRM.orderclose",
            "subject": "Cancelled by the customer",
            "salesorderid@odata.bind": f"/{RECORD}({there['salesorderid']})",
        }
        body = {"OrderClose": close, "Status": self.options.cancel_status}
        done = self.wire.write(caller, "salesorder.cancel", "POST", "/CancelSalesOrder", body)
        return Done(str(there["salesorderid"])) if isinstance(done, Mapping) else _met(done)

    def find(self, posting: Posting, order: Order, caller: Caller) -> Finding:
        """The order under its key, if it holds this version's effect."""
        there = self._look(order, caller)
        if isinstance(there, Gone):
            return Absent()
        if not isinstance(there, Mapping):
            return there
        if posting.operation == "order.cancel":
            done = there.get("statecode") == CANCELLED
        else:
            done = posting.operation == "order.create" or _version(there, self.options) >= posting.version
        return AlreadyDone(str(there["salesorderid"])) if done else Absent()

    def _look(self, order: Order, caller: Caller) -> Shown | Gone | Fault:
        # A key in an address is a literal of its own: the quotes belong to it, our keys hold none.
        key = segment(order_key(order.source, order.key))
        path = f"/{RECORD}({self.options.key_column}='{key}')?$expand=order_details"
        shown = self.wire.show(caller, "salesorder.get", path)
        if isinstance(shown, Mapping) and not isinstance(shown.get("salesorderid"), str):
            return in_doubt("salesorder.get: the answer is no order", writes=False)
        return shown

    def _body(self, posting: Posting, order: Order, draft: Draft) -> dict[str, object]:
        told = {self.options.key_column: order_key(order.source, order.key), self.options.version_column: posting.version}
        lines = [{**line, self.options.line_column: key} for key, line in draft.lines.items()]
        return {**draft.header, **told, "order_details": lines}

    def _changes(self, there: Shown, draft: Draft) -> list[tuple[str, str, str, Mapping[str, object] | None]]:
        lines = [line for line in there.get("order_details") or () if isinstance(line, Mapping)]
        had = {str(line[self.options.line_column]): line for line in lines if line.get(self.options.line_column)}
        to_order = {"salesorderid@odata.bind": f"/{RECORD}({there['salesorderid']})"}
        steps: list[tuple[str, str, str, Mapping[str, object] | None]] = []
        for key, told in draft.lines.items():
            if key not in had:
                body = {**told, **to_order, self.options.line_column: key}
                steps.append(("salesorderdetail.create", "POST", "/salesorderdetails", body))
            elif _differs(had[key], told):
                steps.append(("salesorderdetail.update", "PATCH", f"/salesorderdetails({had[key]['salesorderdetailid']})", told))
        gone = [line for key, line in had.items() if key not in draft.lines]
        paths = [f"/salesorderdetails({line['salesorderdetailid']})" for line in gone]
        return steps + [("salesorderdetail.delete", "DELETE", path, None) for path in paths]


def _version(there: Shown, options: DataverseOptions) -> int:
    told = there.get(options.version_column)
    return told if isinstance(told, int) else 0


def _differs(shown: Shown, told: Mapping[str, object]) -> bool:
    amounts = ("quantity", "priceperunit", "manualdiscountamount", "tax")
    return any(Decimal(str(shown.get(name) or 0)) != Decimal(str(told[name])) for name in amounts)


def _met(done: Gone | Taken | Fault) -> Outcome:
    if isinstance(done, Gone | Taken):
        return in_doubt("salesorder.update: the order changed while it was worked on", writes=True)
    return done


def _unseen(there: Gone | Fault) -> Outcome:
    return (
        in_doubt("salesorder.create: the key is taken, and no order is found", writes=True) if isinstance(there, Gone) else there
    )
