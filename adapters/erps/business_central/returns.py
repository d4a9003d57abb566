"""Posts returns: one sales credit memo a return, inserted whole under its key, then posted."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from adapters.erps.base import Posting
from adapters.erps.business_central.faults import misplaced
from adapters.erps.business_central.keys import line_mark, order_key, return_key
from adapters.erps.business_central.needs import ADJUSTMENT, GUEST
from adapters.erps.business_central.options import BusinessCentralOptions
from adapters.erps.business_central.sales import account_of, item_of, missing_object, named, place_of
from adapters.erps.business_central.standing import Standing, look
from adapters.erps.business_central.wire import Shown, Wire
from adapters.http.caller import Caller
from adapters.wire.odata import any_of
from adapters.wire.odata_faults import Fault, in_doubt
from canonical.outcome import Absent, AlreadyDone, Done, Finding, Outcome, Rejected, Unavailable
from canonical.returns import Return

RECORD = "salesCreditMemos"
_DRAFT = "Draft"
_PRICE = Decimal("0.00001")


@dataclass(frozen=True, slots=True)
class Returns:
    """Credit memos of one company."""

    wire: Wire
    options: BusinessCentralOptions

    def post(self, posting: Posting, told: Return, caller: Caller) -> Outcome:
        """Insert the memo unless it is there, then post it unless it is posted."""
        if posting.operation != "return.create":
            return misplaced(posting.operation, told.kind)
        memo = self._memo(told, caller)
        if isinstance(memo, Fault):
            return memo
        if memo is not None and memo.get("status") != _DRAFT:
            return AlreadyDone(str(memo["id"]))
        if memo is None:
            memo = self._insert(posting, told, caller)
            if isinstance(memo, Fault):
                return memo
        done = self.wire.write(caller, f"{RECORD}.post", "POST", f"{RECORD}({memo['id']})/Microsoft.NAV.post", None)
        return Done(str(memo["id"])) if isinstance(done, Mapping) else done

    def find(self, posting: Posting, told: Return, caller: Caller) -> Finding:
        """The posted memo; one that is still a draft is half made, and posting goes on there."""
        memo = self._memo(told, caller)
        if isinstance(memo, Fault):
            return memo
        return Absent() if memo is None or memo.get("status") == _DRAFT else AlreadyDone(str(memo["id"]))

    def _memo(self, told: Return, caller: Caller) -> Shown | Fault | None:
        condition = any_of("externalDocumentNumber", [return_key(told.source, told.key)])
        found = self.wire.read_all(caller, f"{RECORD}.find", [f"{RECORD}?$filter={quote(condition, safe=_PLAIN)}"])
        if not isinstance(found, list):
            return found
        memos = found[0]
        if len(memos) > 1:
            remedy = "delete the memo that is not ours in Business Central, or change its external document number; then retry"
            return Rejected("business-central.twice", f"two credit memos have the key of return {told.key!r}", remedy)
        if memos and not isinstance(memos[0].get("id"), str):
            return Unavailable(f"{RECORD}.find: a record in the answer has no id")
        return memos[0] if memos else None

    def _insert(self, posting: Posting, told: Return, caller: Caller) -> Shown | Fault:
        key = order_key(told.source, told.order_key)
        found = look(self.wire, caller, [key])
        if not isinstance(found, Mapping):
            return found
        there = found[key]
        if not there.known:
            remedy = "restore the order in Business Central under its external document number, then retry"
            return Rejected("business-central.order_absent", f"Business Central has no order for {told.order_key!r}", remedy)
        body = self._body(posting, told, there)
        if isinstance(body, Rejected):
            return body
        made = self.wire.write(caller, f"{RECORD}.create", "POST", RECORD, body)
        if isinstance(made, Mapping) and not isinstance(made.get("id"), str):
            return in_doubt(f"{RECORD}.create: the answer names no memo", writes=True)
        return made

    def _body(self, posting: Posting, told: Return, there: Standing) -> dict[str, object] | Rejected:
        source = (there.order.shown if there.order else None) or next(iter((*there.invoices, *there.shipments)))
        customer = (
            str(source.get("customerNumber") or "") or self.options.guest_customer or posting.references.get("customer", GUEST)
        )
        body: dict[str, object] = {"externalDocumentNumber": return_key(told.source, told.key)}
        body |= {"creditMemoDate": told.returned_at.date().isoformat(), "currencyCode": told.currency}
        body |= named("customer", customer or "")
        lines = self._lines(posting, told)
        lacking = next(
            (
                str(line["description2"])
                for line in lines
                if not ({"itemId", "accountId"} & set(line) or line["lineObjectNumber"])
            ),
            None,
        )
        if lacking is not None:
            return missing_object(lacking)
        total = sum((Decimal(str(line["unitPrice"])) * Decimal(str(line["quantity"])) for line in lines), Decimal(0))
        if self.options.tax_account and abs(total - told.total) > Decimal("0.01") * max(1, len(lines)):
            reason = f"lines, shipping and adjustment of return {told.key!r} do not come to its total"
            return Rejected("business-central.total", reason, "see at the source what is missing or told twice; correct it there")
        return body | {"salesCreditMemoLines": lines}

    def _lines(self, posting: Posting, told: Return) -> list[dict[str, object]]:
        references, options = posting.references, self.options
        adjustment = references.get("charge", ADJUSTMENT) or options.adjustment_account
        untaxed: dict[str, object] = {"taxCode": options.tax_code} if options.tax_account and options.tax_code else {}
        lines: list[dict[str, object]] = []
        for n, line in enumerate(told.lines, 1):
            # What does not go back to stock must not be credited as an item: its posting would raise the inventory.
            what = item_of(references.get("item", line.sku) or "") if line.restock else account_of(adjustment)
            price = (line.net / line.quantity).quantize(_PRICE)
            lines.append({**what, "quantity": line.quantity, "unitPrice": price, **untaxed} | _mark(f"{n}:{line.order_line}"))
            if line.restock:
                lines[-1] |= place_of(line.location, references, options)
        tax = sum((line.tax for line in told.lines), Decimal(0))
        for name, account, amount in (
            ("taxes", options.tax_account, tax if options.tax_account else Decimal(0)),
            ("shipping", adjustment, told.shipping_refund),
            ("adjustment", adjustment, told.adjustment),
        ):
            if amount:
                lines.append(account_of(account) | {"quantity": 1, "unitPrice": amount, **untaxed} | _mark(f"{name}:"))
        return lines


def _mark(key: str) -> dict[str, object]:
    return {"description2": line_mark(key)}


_PLAIN = "'(),"
