"""Decides the cancelling of a sale: at once while it is open; shipment, invoice and exceptions one by one once processed."""

from dataclasses import dataclass, replace

from adapters.erps.tryton.chain import Decision, Steps
from adapters.erps.tryton.faults import Fault, refuse
from adapters.erps.tryton.records import WHOLE_FIELDS, Sale
from adapters.erps.tryton.sales import by_web_id
from adapters.erps.tryton.session import Session
from adapters.erps.tryton.wire import INVOICE, SALE, SHIPMENT, Request, act
from canonical.outcome import AlreadyDone

_OPEN_INVOICE = ("draft", "validated")


@dataclass(frozen=True, slots=True)
class CancelChain:
    """Sees to it that nothing more leaves. What has left, and what is invoiced, is given back by refunds: they come as
    documents of their own, before or after the cancel. So the invoice of a sale that was refunded, shipped in part or
    posted stays; that of an untouched sale is cancelled.
    """

    web_id: str
    shop: int

    def read(self, session: Session) -> Sale | Fault | None:
        """The sale with its shipments and invoices, and whether something was returned of it."""
        sale = session.sale(by_web_id(self.shop, self.web_id, WHOLE_FIELDS))
        if not isinstance(sale, Sale) or sale.state not in ("processing", "done"):
            return sale
        origin = (("origin", "=", f"{SALE},{sale.id}"), ("state", "!=", "cancelled"))
        returns = session.search(Request("sale.find", "GET", SALE, fields=("state",), domain=origin))
        return replace(sale, refunded=bool(returns)) if isinstance(returns, list) else returns

    def decide(self, sale: Sale | None, tried: frozenset[str]) -> Decision:
        """Cancel what is open; refuse only while goods are being packed."""
        if sale is None:
            remedy = "retry after the order itself has been posted; discard this row if it never will be"
            return refuse("no_sale", "there is no sale to cancel under the order's key", remedy)
        if sale.state == "cancelled":
            return AlreadyDone(str(sale.id))
        if sale.state == "confirmed":
            return Steps((act(SALE, sale.id, "draft", "draft"), act(SALE, sale.id, "cancel", "cancelled")), done=sale.id)
        if sale.state in ("draft", "quotation"):
            return Steps((act(SALE, sale.id, "cancel", "cancelled"),), done=sale.id)
        return _of_processed(sale)


def _of_processed(sale: Sale) -> Decision:
    if any(parcel.state in ("picked", "packed", "shipped") for parcel in sale.parcels):
        remedy = "cancel the shipment in Tryton and put the goods back, then retry"
        return refuse("being_packed", "the order's shipment is being packed", remedy)
    cancels = [act(SHIPMENT, p.id, "cancel", "cancelled") for p in sale.parcels if p.state not in ("cancelled", "done")]
    if not sale.refunded and not any(line.gone for line in sale.lines):
        cancels += [act(INVOICE, i.id, "cancel", "cancelled") for i in sale.invoices if i.state in _OPEN_INVOICE]
    settle = _settling(sale)
    if cancels:
        return Steps(tuple(cancels))
    if settle is None and not sale.in_exception:
        return AlreadyDone(str(sale.id))
    # Told or not, the sale stays in its exception until it is processed again.
    return Steps((*([settle] if settle else []), act(SALE, sale.id, "process")), done=sale.id)


def _settling(sale: Sale) -> Request | None:
    """Tell the sale that its cancelled moves and invoices are meant: without it, it waits in an exception for ever."""
    lines = [[line.id, line.exceptions] for line in sale.lines if line.exceptions]
    invoices = [i.id for i in sale.invoices if i.state == "cancelled" and i.id not in sale.ignored]
    if not lines and not invoices:
        return None
    commands = [["write", [line], {"moves_ignored": [["add", moves]]}] for line, moves in lines]
    values = {"lines": commands, "invoices_ignored": [["add", invoices]]}
    return Request("sale.settle", "PUT", SALE, sale.id, values={k: v for k, v in values.items() if v}, fields=("state",))
