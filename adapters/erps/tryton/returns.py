"""Decides the way of a refund: a return sale under its own key, goods taken back, a credit note posted with its total."""

from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.tryton.chain import Decision, Steps
from adapters.erps.tryton.faults import Fault, refuse
from adapters.erps.tryton.lines import ROUNDING, Planned, priced
from adapters.erps.tryton.options import TrytonOptions
from adapters.erps.tryton.records import HEAD_FIELDS, RETURN_FIELDS, Line, Sale
from adapters.erps.tryton.sales import by_web_id
from adapters.erps.tryton.session import Session
from adapters.erps.tryton.wire import INVOICE, RETURN, SALE, Request, Values, act, context_of
from canonical.money import in_minor_digits
from canonical.outcome import AlreadyDone, Rejected, Unavailable
from canonical.returns import Return, ReturnLine

_NO_TAX: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class ReturnChain:
    """Brings a planned return sale to its end. ``plan`` and ``head`` are None on a look-up, which creates nothing."""

    document: Return
    web_id: str
    options: TrytonOptions
    head: Values | None = None
    plan: tuple[Planned, ...] | None = None

    def read(self, session: Session) -> Sale | Fault | None:
        """The return sale by its key."""
        return session.sale(by_web_id(self.options.shop, self.web_id, RETURN_FIELDS))

    def decide(self, sale: Sale | None, tried: frozenset[str]) -> Decision:
        """Create, price, confirm; receive the goods; post the credit note."""
        if sale is None:
            values = {**(self.head or {}), "lines": [["create", self._values(self.plan or ())]]}
            return Steps((Request("sale.create", "POST", SALE, values=values, fields=HEAD_FIELDS, tells=True),))
        if sale.state == "draft":
            return self._finish_draft(sale)
        if sale.state == "quotation":
            return Steps((self._confirm(sale),))
        if sale.state == "cancelled":
            return refuse("sale_cancelled", "the return sale was cancelled in Tryton", "reset it to draft, then retry")
        if sale.state == "confirmed" and "sale.process" not in tried:
            return Steps((act(SALE, sale.id, "process"),))
        return self._finish_processed(sale)

    def _finish_draft(self, sale: Sale) -> Decision:
        residue = -self.document.total - sale.total
        if residue:
            # The refund's total is money that has left: what its lines do not explain stands on a line of its own.
            extra = Planned(ROUNDING, None, -1, -residue, _NO_TAX, "Difference to the refund's total")
            values = {"lines": [["create", self._values((extra,))]]}
            return Steps((Request("sale.write", "PUT", SALE, sale.id, values=values, fields=HEAD_FIELDS, tells=True),))
        return Steps((act(SALE, sale.id, "quote", "quotation"), self._confirm(sale)))

    def _finish_processed(self, sale: Sale) -> Decision:
        if sale.state == "confirmed":
            return Unavailable("the return sale is confirmed and Tryton has not processed it yet")
        total = sum((invoice.total for invoice in sale.invoices), Decimal(0))
        if total != -self.document.total:
            remedy = "compare the return sale's invoice with the refund in Tryton and correct it; then retry"
            return refuse("total_differs", f"the credit note is {total}, the refund {self.document.total}", remedy)
        steps: list[Request] = []
        for parcel in sale.returns:
            steps += [act(RETURN, parcel.id, "receive", "received")] if parcel.state == "draft" else []
            steps += [act(RETURN, parcel.id, "do", "done")] if parcel.state in ("draft", "received") else []
        steps += [self._post(i.id) for i in sale.invoices if i.state in ("draft", "validated")]
        return Steps(tuple(steps), done=sale.id) if steps else AlreadyDone(str(sale.id))

    def _post(self, invoice: int) -> Request:
        # Without it Tryton refuses a credit note whose taxes differ from the product's own: the refund's are the truth.
        context = context_of(self.options.company, _skip_warnings=True)
        states = frozenset({"posted", "paid"})
        return Request("invoice.post", "POST", INVOICE, invoice, "post", fields=("state",), context=context, expects=states)

    def _confirm(self, sale: Sale) -> Request:
        return act(SALE, sale.id, "confirm")

    def _values(self, plan: tuple[Planned, ...]) -> list[Values]:
        return [planned.values(self.options.unit) for planned in plan]


def plan_return(document: Return, sold: Sale) -> tuple[Planned, ...] | Rejected:
    """Negative lines for what comes back. Pieces that never left, or are not restocked, are credited without goods."""
    planned: list[Planned] = []
    for line in document.lines:
        sources = [s for s in sold.lines if s.note == line.order_line]
        if not sources:
            remedy = "enter the return in Tryton by hand, then discard this row"
            return refuse("unknown_line", f"the sale has no line for order line {line.order_line!r}", remedy)
        planned += _of_line(document, line, sources)
    if document.shipping_refund:
        product = next((s.product for s in sold.lines if s.note.startswith("charge:")), None)
        planned.append(Planned("refund:shipping", product, -1, _cents(document, document.shipping_refund), _NO_TAX, "Shipping"))
    if document.adjustment:
        planned.append(Planned("refund:adjustment", None, -1, _cents(document, document.adjustment), _NO_TAX, "Adjustment"))
    if not planned:
        planned.append(Planned("refund:goodwill", None, -1, _cents(document, document.total), _NO_TAX, "Refund without goods"))
    return tuple(planned)


def nothing_to_give_back(sold: Sale) -> bool:
    """True if the sale was cancelled before it was invoiced: there is nothing a credit note could stand against."""
    return sold.state == "cancelled" or (bool(sold.invoices) and all(i.state == "cancelled" for i in sold.invoices))


def _of_line(document: Return, line: ReturnLine, sources: list[Line]) -> list[Planned]:
    taxes = sources[0].taxes if line.tax else _NO_TAX
    back = min(line.quantity, sum(source.gone for source in sources)) if line.restock else 0
    net = in_minor_digits(line.net, document.currency)
    back_net = in_minor_digits(net * back / line.quantity, document.currency)
    planned: list[Planned] = []
    for pieces, share, product in ((back, back_net, sources[0].product), (line.quantity - back, net - back_net, None)):
        if pieces:
            title = line.sku if product else f"{line.sku}, credited without goods"
            prices = priced(pieces, share, document.currency)
            planned += [Planned(line.order_line, product, -n, price, taxes, title) for n, price in prices]
    return planned


def _cents(document: Return, amount: Decimal) -> Decimal:
    return in_minor_digits(amount, document.currency)
