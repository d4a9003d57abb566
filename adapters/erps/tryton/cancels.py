"""Decides the cancelling of a sale: at once while it is open; shipment, invoice and exceptions one by one once processed."""

from dataclasses import dataclass

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
    """Takes an order off Tryton as far as nothing has left and nothing is posted.

    A refund that reached Tryton before the cancel keeps the sale's invoice: its credit note stands against it.
    """

    web_id: str
    shop: int

    def read(self, session: Session) -> Sale | Fault | None:
        """The sale with its shipments and invoices."""
        return session.sale(by_web_id(self.shop, self.web_id, WHOLE_FIELDS))

    def decide(self, sale: Sale | None, tried: frozenset[str]) -> Decision:  # noqa: ARG002  part of the port of a chain
        """Cancel what is open, refuse what has left or is posted."""
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
    if any(line.gone for line in sale.lines):
        remedy = "stop the parcel if you can, else wait for the goods and enter the return; then discard this row"
        return refuse("already_shipped", "goods of the order have left", remedy)
    if any(parcel.state in ("picked", "packed", "shipped") for parcel in sale.parcels):
        remedy = "cancel the shipment in Tryton and put the goods back, then retry"
        return refuse("being_packed", "the order's shipment is being packed", remedy)
    if any(invoice.state in ("posted", "paid") and invoice.total > 0 for invoice in sale.invoices):
        remedy = "credit the invoice and cancel the shipment in Tryton, then discard this row"
        return refuse("invoiced", "the order's invoice is posted", remedy)
    cancels = [act(SHIPMENT, p.id, "cancel", "cancelled") for p in sale.parcels if p.state not in ("cancelled", "done")]
    cancels += [act(INVOICE, i.id, "cancel", "cancelled") for i in sale.invoices if i.state in _OPEN_INVOICE]
    if cancels:
        return Steps(tuple(cancels))
    settle = _settling(sale)
    if settle is None:
        return AlreadyDone(str(sale.id))
    return Steps((settle, act(SALE, sale.id, "process")), done=sale.id)


def _settling(sale: Sale) -> Request | None:
    """Tell the sale that its cancelled moves and invoices are meant: without it, it waits in an exception for ever."""
    lines = [[line.id, line.exceptions] for line in sale.lines if line.exceptions]
    invoices = [i.id for i in sale.invoices if i.state == "cancelled" and i.id not in sale.ignored]
    if not lines and not invoices:
        return None
    commands = [["write", [line], {"moves_ignored": [["add", moves]]}] for line, moves in lines]
    values = {"lines": commands, "invoices_ignored": [["add", invoices]]}
    return Request("sale.settle", "PUT", SALE, sale.id, values={k: v for k, v in values.items() if v}, fields=("state",))
