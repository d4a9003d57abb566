"""Decides the way of a sale: created under the shop's web id, priced to the cent, quoted, confirmed, rewritten, cancelled."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.base import References
from adapters.erps.tryton.chain import Decision, Steps
from adapters.erps.tryton.faults import Fault, refuse
from adapters.erps.tryton.lines import ROUNDING, Planned, rounding, tolerance
from adapters.erps.tryton.options import TrytonOptions
from adapters.erps.tryton.records import HEAD_FIELDS, Sale
from adapters.erps.tryton.session import Session
from adapters.erps.tryton.wire import SALE, Request, Values, act, day
from canonical.order import Order
from canonical.outcome import AlreadyDone, Rejected

CONFIRMED = ("confirmed", "processing", "done")


def by_web_id(shop: int, web_id: str, fields: tuple[str, ...]) -> Request:
    """Search for the one sale of a shop's key."""
    return Request("sale.find", "GET", SALE, fields=fields, domain=(("web_shop", "=", shop), ("web_id", "=", web_id)))


@dataclass(frozen=True, slots=True)
class SaleChain:
    """Brings the order's sale to what the order says. ``strict`` compares the lines even of a confirmed sale."""

    order: Order
    plan: tuple[Planned, ...]
    head: Values
    web_id: str
    options: TrytonOptions
    strict: bool

    def read(self, session: Session) -> Sale | Fault | None:
        """The sale by its key."""
        return session.sale(by_web_id(self.options.shop, self.web_id, HEAD_FIELDS))

    def decide(self, sale: Sale | None, tried: frozenset[str]) -> Decision:  # noqa: PLR0911  the port of a chain; one line a state
        """Create it, rewrite its lines while it is open, confirm it."""
        if sale is None:
            values = {**self.head, "lines": [["create", self._values(self.plan)]]}
            return Steps((Request("sale.create", "POST", SALE, values=values, fields=HEAD_FIELDS, tells=True),))
        if sale.state == "cancelled":
            return refuse("sale_cancelled", "the sale was cancelled in Tryton", "reset it to draft in Tryton, then retry")
        same = self._same_lines(sale)
        if sale.state in CONFIRMED and (same or not self.strict or self._only_less(sale)):
            return AlreadyDone(str(sale.id))
        if sale.state in ("processing", "done"):
            remedy = (
                "change the sale's shipment and invoice in Tryton by hand (or cancel it and enter it anew), then discard this row"
            )
            return refuse("sale_in_process", "its lines changed after Tryton began to process the sale", remedy)
        if sale.state == "draft":
            return self._finish_draft(sale, same=same)
        if not same:
            return Steps((act(SALE, sale.id, "draft", "draft", fields=HEAD_FIELDS, tells=True),))
        return Steps((self._confirm(sale),), done=sale.id)

    def _finish_draft(self, sale: Sale, *, same: bool) -> Decision:
        if not same:
            return Steps((self._rewrite(sale, self.plan),))
        carried = sum((line.unit_price * line.quantity for line in sale.lines if line.note == ROUNDING), Decimal(0))
        residue = self.order.total - (sale.total - carried)
        if abs(residue) > tolerance(self.order):
            reason = f"Tryton computes {sale.total - carried} {self.order.currency}, the order says {self.order.total}"
            remedy = "map each tax to the Tryton tax of the same rate, or correct the order at its source, then retry"
            return refuse("total_differs", reason, remedy)
        if residue != carried:
            extra = (rounding(residue),) if residue else ()
            return Steps((self._rewrite(sale, (*self.plan, *extra)),))
        return Steps((act(SALE, sale.id, "quote", "quotation"), self._confirm(sale)), done=sale.id)

    def _rewrite(self, sale: Sale, plan: tuple[Planned, ...]) -> Request:
        commands = [["delete", [line.id for line in sale.lines]], ["create", self._values(plan)]]
        return Request("sale.write", "PUT", SALE, sale.id, values={"lines": commands}, fields=HEAD_FIELDS, tells=True)

    def _confirm(self, sale: Sale) -> Request:
        return act(SALE, sale.id, "confirm", *CONFIRMED)

    def _values(self, plan: tuple[Planned, ...]) -> list[Values]:
        return [planned.values(self.options.unit) for planned in plan]

    def _only_less(self, sale: Sale) -> bool:
        """True if the order asks for no piece and no money that the sale does not have. Channels lower an order by what
        was refunded: the refund is a document of its own and makes the return, the sale stays what was sold.
        """
        sold, left = Counter[str](), Counter[str]()
        for line in sale.lines:
            sold[line.note] += line.quantity
        for planned in self.plan:
            left[planned.note] += planned.quantity
        amount = sum((line.unit_price * line.quantity for line in sale.lines if line.note != ROUNDING), Decimal(0))
        asked = sum((planned.unit_price * planned.quantity for planned in self.plan), Decimal(0))
        return left <= sold and asked <= amount

    def _same_lines(self, sale: Sale) -> bool:
        lines = [line for line in sale.lines if line.note != ROUNDING]
        return len(lines) == len(self.plan) and all(p.equals(line) for p, line in zip(self.plan, lines, strict=True))


def head_of(order: Order, web_id: str, references: References, options: TrytonOptions) -> Values | Rejected:
    """A new sale's head. A customer's cross-reference is ``party/address``; without one the fallback party buys."""
    currency = options.currencies.get(order.currency)
    if currency is None:
        return refuse("currency", f"{order.currency} is not sold in", "add it to the target's option 'currencies', then retry")
    found = references.get("customer", order.customer.key) if order.customer.key else None
    party, _, address = (found or f"{options.party}/{options.address}").partition("/")
    if not (party.isdecimal() and address.isdecimal()):
        remedy = "write the customer's cross-reference as <party id>/<address id>, then retry"
        return refuse("customer_reference", "the customer's cross-reference is not <party id>/<address id>", remedy)
    place = references.get("location", order.location) if order.location else None
    head: dict[str, object] = {
        **party_of(int(party), int(address), options),
        "currency": currency,
        "web_id": web_id,
        "reference": order.number,
        "warehouse": int(place) if place and place.isdecimal() else options.warehouse,
        "sale_date": day(order.placed_at.date()),
    }
    return head


def party_of(party: int, address: int, options: TrytonOptions) -> dict[str, object]:
    """The part of a head that sales and returns share."""
    head: dict[str, object] = {
        "company": options.company,
        "web_shop": options.shop,
        "party": party,
        "invoice_address": address,
        "shipment_address": address,
        "invoice_method": "order",
        "shipment_method": "order",
    }
    return head if options.payment_term is None else {**head, "payment_term": options.payment_term}
