"""Decides the way of a fulfilment: exactly its pieces become one customer shipment under its key, picked, packed and done."""

from dataclasses import dataclass

from adapters.erps.tryton.chain import Decision, Steps
from adapters.erps.tryton.faults import Fault, refuse
from adapters.erps.tryton.records import SHIPPING_FIELDS, Move, Parcel, Sale
from adapters.erps.tryton.sales import by_web_id
from adapters.erps.tryton.session import Session
from adapters.erps.tryton.wire import NOTE, SALE, SHIPMENT, Request, act, day
from canonical.outcome import AlreadyDone, Rejected
from canonical.shipment import Shipment

_WAY = (("assign_try", "assigned"), ("pick", "picked"), ("pack", "packed"), ("do", "done"))
_LEFT_TO_DO = {"waiting": 0, "assigned": 1, "picked": 2, "packed": 3, "shipped": 3}
_SHAPEABLE = ("draft", "waiting", "assigned")


@dataclass(frozen=True, slots=True)
class ShipmentChain:
    """Makes one fulfilment's shipment done; with ``cancelled`` takes a done one back."""

    document: Shipment
    reference: str
    web_id: str
    shop: int
    tells_news: bool = False

    def read(self, session: Session) -> Sale | Fault | None:
        """The order's sale with all its shipments."""
        return session.sale(by_web_id(self.shop, self.web_id, SHIPPING_FIELDS))

    def decide(self, sale: Sale | None, tried: frozenset[str]) -> Decision:
        """Claim a waiting shipment for the pieces, then walk it to done."""
        if sale is None:
            remedy = "retry after the order has been posted"
            return refuse("no_sale", "there is no sale under the order's key", remedy)
        ours = next((p for p in sale.parcels if p.reference == self.reference), None)
        if self.document.status == "cancelled":
            return self._take_back(sale, ours, tried)
        if ours is not None:
            return self._advance(ours, tried)
        if sale.state == "confirmed" and "sale.process" not in tried:
            return Steps((act(SALE, sale.id, "process"),))
        if sale.state not in ("processing", "done"):
            remedy = "confirm the sale in Tryton, then retry"
            return refuse("sale_not_in_process", f"the order's sale is in state {sale.state}", remedy)
        return self._claim(sale)

    def _claim(self, sale: Sale) -> Decision:
        wanted = _wanted(sale, self.document)
        if isinstance(wanted, Rejected):
            return wanted
        if not wanted:
            return AlreadyDone(str(sale.id))  # services and charges only: Tryton ships nothing for them
        unclaimed = [p for p in sale.parcels if not p.reference and p.state not in ("cancelled", "done")]
        for parcel in unclaimed:
            moves = _moves_for(parcel, wanted)
            if moves is not None:
                return self._claim_one(parcel, moves)
        if len(unclaimed) > 1 and all(parcel.state in _SHAPEABLE for parcel in unclaimed):
            remedy = "merge the sale's waiting shipments in Tryton, then retry"
            return refuse("several_shipments", "the pieces are spread over several waiting shipments", remedy)
        remedy = "compare the fulfilment with the sale's shipments in Tryton; enter what is missing by hand and discard this row"
        return refuse("nothing_left_to_ship", "the sale has fewer pieces waiting than were shipped", remedy)

    def _claim_one(self, parcel: Parcel, moves: dict[int, int]) -> Decision:
        whole = {m.id: m.quantity for m in _live(parcel)} == moves
        values: dict[str, object] = {"reference": self.reference, "effective_date": day(self.document.shipped_at.date())}
        if whole:
            claim = Request("shipment.claim", "PUT", SHIPMENT, parcel.id, values=values, fields=("state",))
            return self._walk(parcel.id, parcel.state, [*self._notes(parcel.id), claim])
        if parcel.state not in _SHAPEABLE:
            remedy = "reset the shipment to waiting in Tryton, then retry"
            return refuse("being_packed", f"a part was shipped, and Tryton's shipment is {parcel.state} as a whole", remedy)
        values["outgoing_moves"] = _commands(parcel, moves)
        claim = Request(
            "shipment.claim", "PUT", SHIPMENT, parcel.id, values=values, fields=("state",), expects=frozenset({"draft"})
        )
        back = [act(SHIPMENT, parcel.id, "wait", "waiting")] if parcel.state == "assigned" else []
        back += [act(SHIPMENT, parcel.id, "draft", "draft")] if parcel.state != "draft" else []
        return self._walk(parcel.id, "draft", [*back, *self._notes(parcel.id), claim])

    def _advance(self, ours: Parcel, tried: frozenset[str]) -> Decision:
        if ours.state == "done":
            if self.document.tracking_numbers and self.tells_news:
                return Steps(tuple(self._notes(ours.id)), done=ours.id)
            return AlreadyDone(str(ours.id))
        if ours.state == "cancelled":
            remedy = "the goods left although Tryton's shipment is cancelled: enter them by hand, then discard this row"
            return refuse("shipment_cancelled", "the shipment under this key was cancelled in Tryton", remedy)
        if ours.state == "waiting" and "shipment.assign_force" in tried:
            remedy = "enter the missing stock in Tryton, then retry"
            return refuse("no_stock", "Tryton has no stock to assign and would not be forced", remedy)
        if ours.state == "waiting" and "shipment.assign_try" in tried:
            return self._walk(ours.id, "assigned", [act(SHIPMENT, ours.id, "assign_force", "assigned")])
        return self._walk(ours.id, ours.state, [])

    def _walk(self, parcel: int, state: str, before: list[Request]) -> Steps:
        wait = [act(SHIPMENT, parcel, "wait", "waiting")] if state == "draft" else []
        rest = _WAY[_LEFT_TO_DO.get(state, 0) :]
        return Steps((*before, *wait, *(act(SHIPMENT, parcel, action, end) for action, end in rest)), done=parcel)

    def _notes(self, parcel: int) -> list[Request]:
        """Tryton has no field for a tracking number without its carrier modules: it becomes a note of the shipment."""
        if not self.document.tracking_numbers:
            return []
        resource = f"{SHIPMENT},{parcel}"
        numbers = ", ".join(self.document.tracking_numbers)
        text = f"Tracking {self.document.carrier or ''}: {numbers}".replace(" :", ":")
        there = Request(
            "note.find", "GET", NOTE, fields=("message",), domain=(("resource", "=", resource), ("message", "=", text))
        )
        return [
            Request("note.create", "POST", NOTE, values={"resource": resource, "message": text}, fields=("id",), unless=there)
        ]

    def _take_back(self, sale: Sale, ours: Parcel | None, tried: frozenset[str]) -> Decision:
        if ours is None:
            return AlreadyDone(str(sale.id))
        if ours.state != "cancelled":
            if "shipment.cancel" in tried:
                remedy = "give the integration user Tryton's group Stock Cancellation or enter the return by hand; then retry"
                return refuse("cannot_cancel", f"Tryton does not let the shipment in state {ours.state} be cancelled", remedy)
            return Steps((act(SHIPMENT, ours.id, "cancel", "cancelled"),))
        recreate = [["write", [n.id], {"moves_recreated": [["add", n.exceptions]]}] for n in sale.lines if n.exceptions]
        if not recreate and not sale.in_exception:
            return AlreadyDone(str(ours.id))
        settle = Request("sale.settle", "PUT", SALE, sale.id, values={"lines": recreate}, fields=("state",))
        return Steps((*([settle] if recreate else []), act(SALE, sale.id, "process")), done=ours.id)


def _wanted(sale: Sale, document: Shipment) -> dict[int, int] | Rejected:
    """Pieces by sale line. One order line may be two sale lines (``lines.priced``): the first is emptied first."""
    wanted: dict[int, int] = {}
    for told in document.lines:
        lines = [line for line in sale.lines if line.note == told.order_line]
        if not lines:
            remedy = "enter the shipment in Tryton by hand, then discard this row"
            return refuse("unknown_line", f"the sale has no line for order line {told.order_line!r}", remedy)
        movable = [line for line in lines if line.moves]
        left = told.quantity
        for line in movable:
            take = min(left, line.quantity - line.gone - wanted.get(line.id, 0))
            if take > 0:
                wanted[line.id] = wanted.get(line.id, 0) + take
                left -= take
        if left and movable:
            remedy = "compare the fulfilment with the sale's shipments in Tryton, then discard this row"
            return refuse("nothing_left_to_ship", f"order line {told.order_line!r} has {left} pieces fewer to ship", remedy)
    return wanted


def _moves_for(parcel: Parcel, wanted: dict[int, int]) -> dict[int, int] | None:
    """Quantity each move of the shipment must have to hold the wanted pieces, None if it has too few."""
    left = dict(wanted)
    moves: dict[int, int] = {}
    for move in _live(parcel):
        take = min(left.get(move.line, 0), move.quantity)
        if take > 0:
            moves[move.id] = take
            left[move.line] -= take
    return None if any(left.values()) else moves


def _commands(parcel: Parcel, moves: dict[int, int]) -> list[object]:
    writes: list[object] = [
        ["write", [m.id], {"quantity": moves[m.id]}] for m in _live(parcel) if m.id in moves and moves[m.id] != m.quantity
    ]
    extra = [m.id for m in _live(parcel) if m.id not in moves]
    return [*writes, ["delete", extra]] if extra else writes


def _live(parcel: Parcel) -> list[Move]:
    return [move for move in parcel.moves if move.state != "cancelled"]
