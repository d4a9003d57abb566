"""Making one record from another: fulfilment and return of an order, receipt and credit of a return.

As with the vendor, a transform takes every open line in full unless the request says otherwise: a line is left out by
``"itemReceive": false`` or ``"quantity": 0``, or all that are not listed by ``?replace=item``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from workers.sandbox.catalogue import Catalogue
from workers.sandbox.documents import Written, add_line, settle
from workers.sandbox.fields import Draft
from workers.sandbox.money import currency_of, number, reckon, unit_of
from workers.sandbox.problems import already_exists, invalid_content, invalid_request, invalid_value
from workers.sandbox.records import ZERO, Line, Record, Store

_INHERITED = ("entity", "currency", "subsidiary", "location", "exchangeRate")


@dataclass(frozen=True, slots=True)
class Way:
    """One possible transform: what of a line is left to take, which states of the source allow it, what it costs."""

    left: Callable[[Line, bool], Decimal]
    states: str
    goods_only: bool
    priced: bool


def _returnable(line: Line, ships: bool) -> Decimal:
    """Goods can come back once they have left; a charge can be given back at any time."""
    return (line.shipped if ships else line.quantity) - line.returned


WAYS: dict[tuple[str, str], Way] = {
    ("salesOrder", "itemFulfillment"): Way(lambda line, _: line.quantity - line.taken, "BDE", True, False),
    ("salesOrder", "returnAuthorization"): Way(_returnable, "DEFGH", False, True),
    ("returnAuthorization", "itemReceipt"): Way(lambda line, _: line.quantity - line.taken, "BDE", True, False),
    ("returnAuthorization", "creditMemo"): Way(lambda line, _: line.quantity - line.credited, "BDEF", False, True),
}


@dataclass(frozen=True, slots=True)
class _Taken:
    source: Line
    quantity: Decimal
    told: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Job:
    """One transform under way."""

    store: Store
    catalogue: Catalogue
    source: Record
    kind: str
    draft: Draft
    way: Way
    key: str | None


def transform(store: Store, catalogue: Catalogue, source: Record, kind: str, draft: Draft, *, listed_only: bool) -> Written:
    """Make a record of another type from a record, all or nothing. Raises Refusal for what the source has not left."""
    way = WAYS.get((source.type, kind))
    if way is None:
        raise invalid_request(f"Record {source.type} cannot be transformed to {kind}.")
    key = draft.text("externalId")
    if key is not None and store.find(kind, f"eid:{key}") is not None:
        raise already_exists(kind, key)
    if source.status not in way.states:
        raise invalid_content(f"Invalid initialize reference {source.id}: its status {source.status} does not allow {kind}.")
    job = _Job(store, catalogue, source, kind, draft, way, key)
    taken = _take(job, listed_only=listed_only)
    record = _made(job, taken)
    store.add(record)
    _count(source, kind, record, taken, catalogue)
    return Written(record, True)


def _take(job: _Job, *, listed_only: bool) -> list[_Taken]:
    told = _listed(job)
    taken = []
    for line in job.source.lines:
        by_default = not listed_only and (job.catalogue.items[line.item].ships or job.kind == "creditMemo")
        if line.number not in told and not by_default:
            continue
        n, row = told.get(line.number, (0, None))
        part = _part(line, row, f"item.items[{n}]", job.way, job.catalogue)
        if part is not None:
            taken.append(part)
    return taken


def _listed(job: _Job) -> dict[int, tuple[int, dict[str, object]]]:
    told: dict[int, tuple[int, dict[str, object]]] = {}
    for n, row in enumerate(job.draft.lines or ()):
        wanted = row.get("orderLine", row.get("line"))
        if wanted is None and "item" in row:
            continue
        if not isinstance(wanted, int) or job.source.line(wanted) is None or wanted in told:
            raise invalid_value(wanted, "orderLine", f"item.items[{n}].orderLine")
        told[wanted] = (n, row)
    return told


def _part(line: Line, row: dict[str, object] | None, path: str, way: Way, catalogue: Catalogue) -> _Taken | None:
    ships = catalogue.items[line.item].ships
    left = ZERO if line.closed and way.goods_only else way.left(line, ships)
    if row is None:
        return _Taken(line, left, {}) if left > 0 else None
    wanted = number(row, "quantity")
    if row.get("itemReceive") is False or wanted == 0:
        return None
    if way.goods_only and not ships:
        raise invalid_value(line.item, "item", f"{path}.item")
    quantity = left if wanted is None else wanted
    if quantity <= 0 or quantity > left:
        raise invalid_content(
            f"Invalid quantity {quantity} for order line {line.number}: {left} is left to process.", f"{path}.quantity"
        )
    return _Taken(line, quantity, row)


def _made(job: _Job, taken: list[_Taken]) -> Record:
    source, draft, way, catalogue = job.source, job.draft, job.way, job.catalogue
    header = {name: source.header[name] for name in _INHERITED if name in source.header} | draft.header
    record = Record(job.kind, job.store.next_id(), job.key, header, parent=source.id)
    for part in taken:
        told = _line_told(part, record, catalogue, way)
        if way.goods_only and told.get("location") is None and header.get("location") is None:
            raise invalid_content("Please enter value(s) for: Location", "item.items[0].location")
        add_line(record, told, catalogue, "item", source=part.source.number)
    for n, row in enumerate(draft.lines or ()):
        if way.priced and row.get("orderLine", row.get("line")) is None and "item" in row:
            add_line(record, row, catalogue, f"item.items[{n}]")
    if not record.lines:
        raise invalid_content("You must enter at least one line item for this transaction.", "item")
    record.status = _first_status(job.kind, draft)
    if way.priced:
        record.tax_details = draft.tax_details or []
        reckon(record, catalogue)
    return record


def _line_told(part: _Taken, record: Record, catalogue: Catalogue, way: Way) -> dict[str, object]:
    line = part.source
    carried = {name: line.told[name] for name in ("location", "taxCode", "taxRate1", "taxDetailsReference") if name in line.told}
    told = {**carried, "item": line.item, **part.told, "quantity": part.quantity}
    told.pop("line", None)
    if not way.priced:
        told["amount"] = ZERO
    elif "amount" not in told and "rate" not in told and line.quantity:
        share = part.quantity / line.quantity
        unit = unit_of(currency_of(record, catalogue))
        told["amount"] = (line.amount * share).quantize(unit)
        if "tax1Amt" in line.told and "tax1Amt" not in told:
            told["tax1Amt"] = (line.tax * share).quantize(unit)
    return told


def _first_status(kind: str, draft: Draft) -> str:
    if kind == "itemFulfillment":
        wanted = draft.text("shipStatus") or "A"
        if wanted not in "ABC":
            raise invalid_value(wanted, "shipStatus", "shipStatus")
        return wanted
    if kind == "itemReceipt":
        return "C"
    wanted = draft.text("orderStatus") or "A"
    if wanted not in "AB":
        raise invalid_value(wanted, "orderStatus", "orderStatus")
    return wanted


def _count(source: Record, kind: str, record: Record, taken: list[_Taken], catalogue: Catalogue) -> None:
    for part in taken:
        if kind == "returnAuthorization":
            part.source.returned += part.quantity
        elif kind == "creditMemo":
            part.source.credited += part.quantity
        else:
            part.source.taken += part.quantity
            if record.status == "C":
                part.source.shipped += part.quantity
    settle(source, catalogue)


def ship(store: Store, catalogue: Catalogue, record: Record, before: str) -> None:
    """Relieve the order's stock when a fulfilment changes to shipped."""
    source = store.find("salesOrder", record.parent or "")
    if record.type != "itemFulfillment" or record.status != "C" or before == "C" or source is None:
        return
    for line in record.lines:
        origin = source.line(line.source or 0)
        if origin is not None:
            origin.shipped += line.quantity
    settle(source, catalogue)


def twin(store: Store, record: Record) -> Record:
    """A second record with the same content and external id: what an ERP that ignores the key would do."""
    copy = replace(record, id=store.next_id(), lines=[replace(line) for line in record.lines])
    store.add(copy, ignore_key=True)
    return copy
