"""What this adapter reads of Tryton's sales, shipments and invoices, out of the raw answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.erps.tryton.wire import amount_in

Raw = Mapping[str, Any]

LINE_FIELDS = ("lines.note", "lines.product", "lines.quantity", "lines.unit_price", "lines.taxes")
HEAD_FIELDS = ("state", "total_amount", *LINE_FIELDS)
MOVE_FIELDS = ("lines.moves.state", "lines.moves.quantity", "lines.moves_ignored", "lines.moves_recreated")
SHIPPING_FIELDS = (
    *HEAD_FIELDS,
    *MOVE_FIELDS,
    "shipment_state",
    "invoice_state",
    "shipments.state",
    "shipments.reference",
    "shipments.outgoing_moves.state",
    "shipments.outgoing_moves.quantity",
    "shipments.outgoing_moves.origin",
)
PLACE_FIELDS = ("party", "invoice_address", "warehouse")
BILLING_FIELDS = ("invoices.state", "invoices.total_amount", "invoices_ignored")
RETURN_FIELDS = (*HEAD_FIELDS, "shipment_returns.state", *BILLING_FIELDS)
WHOLE_FIELDS = (*SHIPPING_FIELDS, *BILLING_FIELDS, *PLACE_FIELDS)


@dataclass(frozen=True, slots=True)
class Move:
    """Pieces on their way; ``line`` is the sale line's id, 0 where not told."""

    id: int
    state: str
    quantity: int
    line: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A sale line; ``note`` holds the order line's key. ``settled`` are cancelled moves a person or we dealt with."""

    id: int
    note: str
    product: int | None
    quantity: int
    unit_price: Decimal
    taxes: frozenset[int]
    moves: tuple[Move, ...] = ()
    settled: frozenset[int] = frozenset()

    @property
    def gone(self) -> int:
        """Pieces that left."""
        return sum(move.quantity for move in self.moves if move.state == "done")

    @property
    def exceptions(self) -> list[int]:
        """Cancelled moves nobody dealt with."""
        return [move.id for move in self.moves if move.state == "cancelled" and move.id not in self.settled]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A customer shipment, or a return shipment (then without moves)."""

    id: int
    state: str
    reference: str | None = None
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice; a negative total is a credit note."""

    id: int
    state: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale as far as it was asked for: parts that were not asked for are empty."""

    id: int
    state: str
    total: Decimal
    lines: tuple[Line, ...]
    parcels: tuple[Parcel, ...] = ()
    returns: tuple[Parcel, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    ignored: frozenset[int] = frozenset()
    in_exception: bool = False
    refunded: bool = False
    party: int | None = None
    address: int | None = None
    warehouse: int | None = None


def sale_of(raw: Raw) -> Sale:
    """Read a sale. Raises KeyError, TypeError or ValueError if the answer is of another shape."""
    return Sale(
        id=int(raw["id"]),
        state=str(raw["state"]),
        total=amount_in(raw["total_amount"]),
        lines=tuple(sorted((_line(line) for line in raw["lines"]), key=lambda line: line.id)),
        parcels=tuple(_parcel(parcel) for parcel in raw.get("shipments") or ()),
        returns=tuple(_parcel(parcel) for parcel in raw.get("shipment_returns") or ()),
        invoices=tuple(Invoice(int(i["id"]), str(i["state"]), amount_in(i["total_amount"])) for i in raw.get("invoices") or ()),
        ignored=frozenset(raw.get("invoices_ignored") or ()),
        in_exception="exception" in (raw.get("shipment_state"), raw.get("invoice_state")),
        party=raw.get("party"),
        address=raw.get("invoice_address"),
        warehouse=raw.get("warehouse"),
    )


def _line(raw: Raw) -> Line:
    return Line(
        id=int(raw["id"]),
        note=str(raw["note"] or ""),
        product=raw["product"],
        quantity=int(raw["quantity"] or 0),
        unit_price=amount_in(raw["unit_price"]),
        taxes=frozenset(raw["taxes"] or ()),
        moves=tuple(_move(move) for move in raw.get("moves") or ()),
        settled=frozenset((*(raw.get("moves_ignored") or ()), *(raw.get("moves_recreated") or ()))),
    )


def _parcel(raw: Raw) -> Parcel:
    moves = tuple(_move(move) for move in raw.get("outgoing_moves") or ())
    return Parcel(int(raw["id"]), str(raw["state"]), raw.get("reference"), moves)


def _move(raw: Raw) -> Move:
    model, _, record = str(raw.get("origin") or "").partition(",")
    return Move(int(raw["id"]), str(raw["state"]), int(raw["quantity"]), int(record) if model == "sale.line" else 0)
