"""Looks up what Business Central has of our keys: open orders, and what posting made of them, by one request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from adapters.erps.business_central.wire import Shown, Wire
from adapters.http.caller import Caller
from adapters.wire.odata import any_of
from adapters.wire.odata_faults import Fault
from canonical.outcome import Rejected, Unavailable

_KEY = "externalDocumentNumber"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an open order."""

    id: str
    mark: str
    shown: Shown

    def number(self, name: str) -> Decimal:
        """A quantity or amount; zero where it is not shown."""
        return Decimal(str(self.shown.get(name) or 0))


@dataclass(frozen=True, slots=True)
class Open:
    """An order that still stands among the sales orders."""

    id: str
    etag: str
    shown: Shown
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """All that has a key: the open order, and posted shipments and invoices with their lines."""

    order: Open | None
    shipments: tuple[Shown, ...]
    invoices: tuple[Shown, ...]

    @property
    def remote_id(self) -> str | None:
        """The order's id; after posting, the id it had."""
        if self.order is not None:
            return self.order.id
        return next((str(told) for told in (i.get("orderId") for i in self.invoices) if told), None)

    @property
    def known(self) -> bool:
        """Whether Business Central has ever had the order and not lost it."""
        return self.order is not None or bool(self.shipments) or bool(self.invoices)


def look(wire: Wire, caller: Caller, keys: Sequence[str], *, lines: bool = False) -> Mapping[str, Standing] | Fault:
    """What stands under each key. Rejected where two orders have one key: nothing says which of them is ours."""
    queries = [
        _query("salesOrders", keys, "salesOrderLines" if lines else ""),
        _query("salesShipments", keys, "salesShipmentLines" if lines else ""),
        _query("salesInvoices", keys, ""),
    ]
    found = wire.read_all(caller, "salesOrders.find", queries)
    if not isinstance(found, list):
        return found
    orders, shipments, invoices = ([row for row in rows if _readable(row)] for rows in found)
    if sum(map(len, found)) != len(orders) + len(shipments) + len(invoices):
        return Unavailable("salesOrders.find: a record in the answer has no id or key")
    for row in orders:
        if sum(other[_KEY] == row[_KEY] for other in orders) > 1:
            remedy = "delete the order that is not ours in Business Central, or change its external document number; then retry"
            return Rejected("business-central.twice", f"two sales orders have the number {row[_KEY]!r}", remedy)
    return {key: _standing(key, orders, shipments, invoices) for key in keys}


def _query(records: str, keys: Sequence[str], expand: str) -> str:
    more = f"&$expand={expand}" if expand else ""
    return f"{records}?$filter={quote(any_of(_KEY, keys), safe=_PLAIN)}{more}"


_PLAIN = "'(),"


def _readable(row: object) -> bool:
    return isinstance(row, Mapping) and isinstance(row.get("id"), str) and isinstance(row.get(_KEY), str)


def _standing(key: str, orders: Sequence[Shown], shipments: Sequence[Shown], invoices: Sequence[Shown]) -> Standing:
    ours = next((row for row in orders if row[_KEY] == key), None)
    return Standing(
        None if ours is None else _open(ours),
        tuple(row for row in shipments if row[_KEY] == key),
        tuple(row for row in invoices if row[_KEY] == key),
    )


def _open(row: Shown) -> Open:
    lines = [line for line in row.get("salesOrderLines") or () if isinstance(line, Mapping)]
    return Open(row["id"], str(row.get("@odata.etag") or "*"), row, tuple(_line(line) for line in lines))


def _line(row: Shown) -> Line:
    return Line(str(row.get("id")), str(row.get("description2") or "").partition(" ")[0], row)
