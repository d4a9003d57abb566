"""Posts returns as a chain that goes on where it stopped: authorization, receipt of what is restocked, credit memo.

Goods that never left, and money given beside goods, need no authorization: they stand on the credit memo alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.erps.base import Posting
from adapters.erps.netsuite.amounts import Row, TaxRow, reference_of
from adapters.erps.netsuite.faults import Fault, Gone, Taken, in_doubt, misplaced
from adapters.erps.netsuite.follow_up import Made, find, make
from adapters.erps.netsuite.keys import authorization_key, credit_key, receipt_key
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.orders import RECORD as SALES_ORDER
from adapters.erps.netsuite.orders import absent_order, look, name_of_order
from adapters.erps.netsuite.records import Transaction, transaction_of
from adapters.erps.netsuite.refund import Back, Refund, refund_of
from adapters.erps.netsuite.sales import REPLACED, currency_of, marks, tax_details
from adapters.erps.netsuite.wire import Body, Wire, Wrote, insert_or_update, transform
from adapters.http.caller import Caller
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Rejected
from canonical.returns import Return

AUTHORIZATION = "returnAuthorization"
RECEIPT = "itemReceipt"
CREDIT = "creditMemo"
APPROVED = "B"


@dataclass(frozen=True, slots=True)
class Returns:
    """Return authorizations, receipts and credit memos of one account."""

    wire: Wire
    options: NetSuiteOptions

    def post(self, posting: Posting, told: Return, caller: Caller) -> Outcome:
        """The operation asked for."""
        match posting.operation:
            case "return.create":
                return self.create(posting, told, caller)
            case other:
                return misplaced(other, told.kind)

    def create(self, posting: Posting, told: Return, caller: Caller) -> Outcome:
        """Make what is missing of the chain; the credit memo is its last link and the remote id."""
        order = look(self.wire, self.options, caller, name_of_order(posting, told), lines=True)
        if isinstance(order, Gone):
            return absent_order(told.order_key)
        if not isinstance(order, Transaction):
            return order
        refund = refund_of(told, posting.order, order, posting.references, self.options)
        if isinstance(refund, Rejected):
            return refund
        if refund.back:
            return self._chain(posting, told, order, refund, caller)
        if refund.direct:
            return self._credit_alone(posting, told, order, refund, caller)
        remedy = "nothing is to be done in NetSuite; see at the source whether the return is complete"
        return Rejected("netsuite.nothing_returned", f"return {told.key!r} gives back neither goods nor money", remedy)

    def find(self, posting: Posting, told: Return, caller: Caller) -> Finding:
        """The credit memo, the chain's last link; a chain without it is to be gone on with."""
        found = find(self.wire, caller, CREDIT, credit_key(told.source, told.key))
        if isinstance(found, Gone):
            return Absent()
        return AlreadyDone(found.id) if isinstance(found, Made) else found

    def _chain(self, posting: Posting, told: Return, order: Transaction, refund: Refund, caller: Caller) -> Outcome:
        authorized = self._authorize(posting, told, order, refund, caller)
        if not isinstance(authorized, Made):
            return _not_made(authorized, told, SALES_ORDER)
        resumed = authorized.before
        if any(back.restocked for back in refund.back):
            received = self._receive(posting, told, refund, authorized, caller)
            if not isinstance(received, Made):
                return _not_made(received, told, AUTHORIZATION)
        key = credit_key(told.source, told.key)
        first = len(refund.back) + 1
        body = self._head(posting, told, key) | _taxed((*(back.row for back in refund.back), *refund.direct), self.options)
        body["item"] = {"items": [_line(row, n, self.options) for n, row in enumerate(refund.direct, first)]}
        ask = transform(AUTHORIZATION, authorized.id, CREDIT, body)
        credited = make(self.wire, caller, ask, key, look_first=resumed)
        if not isinstance(credited, Made):
            return _not_made(credited, told, AUTHORIZATION)
        return AlreadyDone(credited.id) if credited.before else Done(credited.id)

    def _authorize(
        self, posting: Posting, told: Return, order: Transaction, refund: Refund, caller: Caller
    ) -> Made | Gone | Fault:
        key = authorization_key(told.source, told.key)
        wanted = {back.line.number for back in refund.back}
        rows = [_authorized_line(back, n, self.options) for n, back in enumerate(refund.back, 1)]
        rows += [{"orderLine": x.number, "quantity": 0} for x in order.lines if x.fulfilled and x.number not in wanted]
        body = self._head(posting, told, key) | {"orderStatus": APPROVED, "item": {"items": rows}}
        body |= _taxed([back.row for back in refund.back], self.options)
        return make(self.wire, caller, transform(SALES_ORDER, order.id, AUTHORIZATION, body), key, look_first=True)

    def _receive(self, posting: Posting, told: Return, refund: Refund, authorized: Made, caller: Caller) -> Made | Gone | Fault:
        key = receipt_key(told.source, told.key)
        body = self._head(posting, told, key)
        if any(back.restocked < back.row.quantity for back in refund.back):
            rows = self._restocked(refund, authorized, caller)
            if not isinstance(rows, list):
                return rows
            body["item"] = {"items": rows}
        ask = transform(AUTHORIZATION, authorized.id, RECEIPT, body)
        return make(self.wire, caller, ask, key, look_first=authorized.before)

    def _restocked(self, refund: Refund, authorized: Made, caller: Caller) -> list[Body] | Gone | Fault:
        """The authorization's lines, each told whether it is received: unmentioned ones would be."""
        shown = self.wire.show(caller, AUTHORIZATION, authorized.id, lines=True)
        if isinstance(shown, Gone | Fault):
            return shown
        pieces = {back.line.number: back.restocked for back in refund.back}
        lines = transaction_of(shown, self.options).lines
        return [_received_line(line.number, pieces.get(line.origin or 0, 0)) for line in lines]

    def _credit_alone(self, posting: Posting, told: Return, order: Transaction, refund: Refund, caller: Caller) -> Outcome:
        key = credit_key(told.source, told.key)
        body = self._head(posting, told, key) | _taxed(refund.direct, self.options)
        body |= {"entity": {"id": order.customer}, "currency": currency_of(told.currency, self.options)}
        body["item"] = {"items": [_line(row, n, self.options) for n, row in enumerate(refund.direct, 1)]}
        match self.wire.write(caller, insert_or_update(CREDIT, key, body, REPLACED)):
            case Wrote(id):
                return Done(id)
            case Gone():
                return absent_order(told.order_key)
            case Taken():
                return in_doubt(f"return {told.key!r}: its external id is said to be taken", writes=True)
            case fault:
                return fault

    def _head(self, posting: Posting, told: Return, key: str) -> dict[str, object]:
        place: dict[str, object] = {"location": {"id": self.options.location}} if self.options.location else {}
        head = {"externalId": key, "tranDate": told.returned_at.date().isoformat(), "memo": told.number or told.key}
        return head | place | marks(posting, self.options)


def _authorized_line(back: Back, position: int, options: NetSuiteOptions) -> Body:
    body = {name: value for name, value in _line(back.row, position, options).items() if name != "item"}
    place: dict[str, object] = {"location": {"id": back.location}} if back.location else {}
    return {"orderLine": back.line.number} | body | place


def _received_line(number: int, pieces: int) -> Body:
    told: dict[str, object] = {"orderLine": number, "itemReceive": pieces > 0}
    return told | ({"quantity": pieces} if pieces else {})


def _line(row: Row, position: int, options: NetSuiteOptions) -> dict[str, object]:
    told: dict[str, object] = {"item": {"id": row.item}, "quantity": row.quantity, "rate": row.rate, "amount": row.amount}
    told["taxDetailsReference"] = reference_of(position)
    if row.title:
        told["description"] = row.title
    if options.line_field:
        told[options.line_field] = row.key
    return told


def _taxed(rows: Sequence[Row], options: NetSuiteOptions) -> dict[str, object]:
    taxes = tuple(
        TaxRow(reference_of(n), options.tax_code or None, row.amount, None, tax.amount)
        for n, row in enumerate(rows, 1)
        for tax in row.taxes
    )
    return tax_details(taxes, options)


def _not_made(met: Gone | Fault, told: Return, source: str) -> Outcome:
    if not isinstance(met, Gone):
        return met
    if source == SALES_ORDER:
        return absent_order(told.order_key)
    remedy = "restore it in NetSuite under its external id, or delete what was made from it, then retry"
    return Rejected("netsuite.return_absent", f"the authorization of return {told.key!r} was deleted in NetSuite", remedy)
