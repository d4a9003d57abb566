"""Reads NetSuite's records: their JSON goes in, typed values come out, whatever is missing or of another shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.wire import Shown

ZERO = Decimal(0)
CLOSED = frozenset({"C", "H"})
"""Statuses of a transaction that is cancelled or closed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transaction. ``number`` is what follow-up documents call it; ``key`` ours, if it carries one."""

    number: int
    item: str
    key: str | None
    quantity: Decimal
    fulfilled: Decimal
    closed: bool
    origin: int | None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A sales order, fulfilment, return or credit as far as postings ask. ``version`` is our marker, 0 if it has none."""

    id: str
    status: str
    version: int
    customer: str | None
    currency: str | None
    lines: tuple[Line, ...]
    whole: bool
    """False when the answer holds only a part of the lines."""


def transaction_of(shown: Shown, options: NetSuiteOptions) -> Transaction:
    """The record an answer shows."""
    sublist = shown.get("item")
    rows = sublist.get("items") if isinstance(sublist, Mapping) else None
    listed = rows if isinstance(rows, list) else []
    lines = tuple(_lines(listed, options))
    return Transaction(
        id=str(shown["id"]),
        status=_name(shown.get("orderStatus") or shown.get("shipStatus") or shown.get("status")),
        version=_whole(shown.get(options.version_field)) or 0,
        customer=_id(shown.get("entity")),
        currency=_id(shown.get("currency")),
        lines=lines,
        whole=isinstance(sublist, Mapping) and not sublist.get("hasMore") and len(lines) == len(listed),
    )


def _lines(rows: list[Any], options: NetSuiteOptions) -> Iterator[Line]:
    for row in rows:
        number, item = (_whole(row.get("line")), _id(row.get("item"))) if isinstance(row, Mapping) else (None, None)
        if number is None or item is None:
            continue
        key = row.get(options.line_field) if options.line_field else None
        yield Line(
            number=number,
            item=item,
            key=key if isinstance(key, str) and key else None,
            quantity=_number(row.get("quantity")),
            fulfilled=_number(row.get("quantityFulfilled")),
            closed=row.get("isClosed") is True,
            origin=_whole(row.get("orderLine")),
        )


def _id(value: object) -> str | None:
    found = value.get("id") if isinstance(value, Mapping) else value
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def _name(value: object) -> str:
    return _id(value) or ""


def _number(value: object) -> Decimal:
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else ZERO


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if isinstance(value, str | int) and text.isdecimal() and len(text) < 10 else None
