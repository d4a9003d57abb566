"""Inserting and updating sales orders, return authorizations, credit memos and customers.

An order is closed by closing its lines (``PATCH`` with ``"isClosed": true`` on each): when all are closed its status is H.
An order that still waits for approval (A) may be cancelled whole with ``"orderStatus": "C"``; a later one only be closed.
"""

import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from workers.sandbox.catalogue import Catalogue, Entry
from workers.sandbox.fields import Draft
from workers.sandbox.money import currency_of, line_amount, number, reckon, unit_of
from workers.sandbox.problems import already_exists, invalid_content, invalid_value
from workers.sandbox.records import ZERO, Line, Record, Store

_STATUSES = {"salesOrder": "AB", "returnAuthorization": "AB", "creditMemo": "A"}
_SHIP_STATUSES = "ABC"


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the record, and whether anything changed (a repeat of the same content changes nothing)."""

    record: Record
    changed: bool


def insert(store: Store, catalogue: Catalogue, kind: str, draft: Draft, external_id: str | None) -> Written:
    """Add a record. Raises Refusal for a missing customer or line, and for an external id that is taken."""
    key = external_id or draft.text("externalId")
    if key is not None and store.find(kind, f"eid:{key}") is not None:
        raise already_exists(kind, key)
    record = Record(kind, store.next_id(), key, dict(draft.header))
    if kind == "customer":
        if not any(draft.header.get(name) for name in ("lastName", "companyName", "firstName")):
            raise invalid_content("Please enter value(s) for: Name", "companyName")
        catalogue.add("customer", Entry(record.id, key or record.id, str(draft.header.get("lastName"))))
    else:
        _fill(record, draft, catalogue)
    store.add(record)
    return Written(record, True)


def _fill(record: Record, draft: Draft, catalogue: Catalogue) -> None:
    if record.header.get("entity") is None:
        raise invalid_content("Please enter value(s) for: Customer", "entity")
    for n, told in enumerate(draft.lines or ()):
        add_line(record, told, catalogue, f"item.items[{n}]")
    if not record.lines:
        raise invalid_content("You must enter at least one line item for this transaction.", "item")
    record.tax_details = draft.tax_details or []
    wanted = draft.text("orderStatus")
    if wanted is not None and wanted not in _STATUSES[record.type]:
        raise invalid_value(wanted, "orderStatus", "orderStatus")
    record.status = wanted or "A"
    reckon(record, catalogue)


def add_line(record: Record, told: dict[str, object], catalogue: Catalogue, path: str, *, source: int | None = None) -> Line:
    """Append a line with the next free number. Raises Refusal for a missing item or a negative quantity."""
    item = told.get("item")
    if not isinstance(item, str):
        raise invalid_content("Please enter value(s) for: Item", f"{path}.item")
    line = Line(record.next_number(), item, ZERO, ZERO, source=source)
    _tell(record, line, told, catalogue, path)
    record.lines.append(line)
    return line


def _tell(record: Record, line: Line, told: dict[str, object], catalogue: Catalogue, path: str) -> None:
    line.told.update(told)
    line.item = str(line.told["item"])
    quantity = number(line.told, "quantity")
    line.quantity = Decimal(1) if quantity is None else quantity
    if line.quantity < max(line.taken, line.returned) or line.quantity < 0:
        raise invalid_value(line.quantity, "quantity", f"{path}.quantity")
    if "quantity" in told and "amount" not in told and "rate" in line.told:
        line.told.pop("amount", None)
    unit = unit_of(currency_of(record, catalogue))
    line.amount = line_amount(line.told, line.quantity, catalogue.items[line.item].price, unit)
    line.closed = line.told.get("isClosed") is True


def update(catalogue: Catalogue, record: Record, draft: Draft, replace: frozenset[str]) -> Written:
    """Change a record in place, all or nothing. Lines without ``line`` are added unless ``replace`` names ``item``."""
    key = draft.text("externalId")
    if key is not None and key != record.external_id:
        raise invalid_value(key, "externalId", "externalId")
    changed = copy.deepcopy(record)
    _change(changed, draft, catalogue, replace)
    if _content(changed) == _content(record):
        return Written(record, False)
    for name in ("header", "lines", "tax_details", "status", "subtotal", "discount", "tax", "total"):
        setattr(record, name, getattr(changed, name))
    record.modified_at = datetime.now(UTC)
    return Written(record, True)


def _content(record: Record) -> tuple[object, ...]:
    return record.header, record.lines, record.tax_details, record.status, record.total


def _change(record: Record, draft: Draft, catalogue: Catalogue, replace: frozenset[str]) -> None:
    record.header.update(draft.header)
    if record.type == "customer":
        return
    if record.type in {"itemFulfillment", "itemReceipt"}:
        _change_fulfilment(record, draft)
        return
    if draft.lines is not None:
        if record.status == "C":
            raise invalid_content("The transaction is cancelled and cannot be changed.", "item")
        _change_lines(record, draft.lines, catalogue, "item" in replace)
    if draft.tax_details is not None:
        record.tax_details = draft.tax_details
    reckon(record, catalogue)
    settle(record, catalogue, draft.text("orderStatus"))


def _change_fulfilment(record: Record, draft: Draft) -> None:
    if draft.lines:
        raise invalid_content("Lines of a fulfilment cannot be changed after it was made.", "item")
    wanted = draft.text("shipStatus")
    if wanted is None:
        return
    if wanted not in _SHIP_STATUSES or wanted < record.status:
        raise invalid_value(wanted, "shipStatus", "shipStatus")
    record.status = wanted


def _change_lines(record: Record, told: list[dict[str, object]], catalogue: Catalogue, replace: bool) -> None:
    before = {line.number: line for line in record.lines}
    if replace:
        if _same_lines(record.lines, told, record, catalogue):
            return
        kept = {n for row in told if isinstance(n := row.get("line"), int)}
        if any(line.taken or line.returned for line in record.lines if line.number not in kept):
            raise invalid_content("A line that has been fulfilled or returned cannot be removed.", "item")
        record.lines = [line for line in record.lines if line.number in kept]
    highest = max(before, default=0)
    for n, row in enumerate(told):
        path = f"item.items[{n}]"
        wanted = row.get("line")
        if wanted is None:
            added = add_line(record, row, catalogue, path)
            if added.number <= highest:
                added.number = highest + 1
            highest = max(highest, added.number)
        elif isinstance(wanted, int) and wanted in before:
            _tell(record, before[wanted], row, catalogue, path)
        else:
            raise invalid_value(wanted, "line", f"{path}.line")
    if not record.lines:
        raise invalid_content("You must enter at least one line item for this transaction.", "item")


def _same_lines(lines: list[Line], told: list[dict[str, object]], record: Record, catalogue: Catalogue) -> bool:
    if len(lines) != len(told) or any(row.get("line") is not None for row in told):
        return False
    probe = Record(record.type, "", None, record.header)
    for n, row in enumerate(told):
        if not isinstance(row.get("item"), str):
            return False
        add_line(probe, row, catalogue, f"item.items[{n}]")
    pairs = zip(lines, probe.lines, strict=True)
    return all(
        _bare(a.told) == _bare(b.told) and (a.item, a.quantity, a.amount) == (b.item, b.quantity, b.amount) for a, b in pairs
    )


def _bare(told: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if name != "line"}


def settle(record: Record, catalogue: Catalogue, wanted: str | None = None) -> None:
    """Work out the status from what was asked for and what has happened to the lines. Raises Refusal for an impossible one."""
    if wanted is not None:
        _ask(record, wanted)
    if record.status in "AC" or record.type == "creditMemo":
        if record.status == "A" and all(line.closed for line in record.lines):
            record.status = "H"
        return
    open_lines = [line for line in record.lines if not line.closed]
    if not open_lines:
        record.status = "H"
        return
    goods = [line for line in open_lines if catalogue.items[line.item].ships]
    done = [line.shipped >= line.quantity for line in goods]
    if record.type == "returnAuthorization" and all(line.credited >= line.quantity for line in open_lines):
        record.status = "G"
    elif all(done):
        record.status = "F" if goods or record.type == "returnAuthorization" else "B"
    else:
        record.status = "D" if any(line.shipped for line in goods) else "B"


def _ask(record: Record, wanted: str) -> None:
    if wanted == record.status:
        return
    if wanted == "C" and record.status == "A":
        record.status = "C"
    elif wanted in "AB" and record.status in "AB":
        record.status = wanted
    elif not (wanted == "B" and record.status in "DEFGH"):
        raise invalid_value(wanted, "orderStatus", "orderStatus")
