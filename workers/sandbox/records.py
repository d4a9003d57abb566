"""Records the sandbox holds, in memory, found by internal and by external id."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from workers.sandbox.problems import already_exists, nonexistent

ZERO = Decimal(0)
TRANSACTIONS = ("salesOrder", "itemFulfillment", "returnAuthorization", "itemReceipt", "creditMemo")


@dataclass(slots=True)
class Line:
    """One line. ``number`` is NetSuite's line id, never consecutive here; ``source`` the line it was made from.

    ``taken`` counts what follow-up records hold of it (fulfilled or received), ``shipped`` what has left the house,
    ``returned`` what return authorizations hold of it, ``credited`` what credit memos hold.
    """

    number: int
    item: str
    quantity: Decimal
    amount: Decimal
    tax: Decimal = ZERO
    closed: bool = False
    source: int | None = None
    taken: Decimal = ZERO
    shipped: Decimal = ZERO
    returned: Decimal = ZERO
    credited: Decimal = ZERO
    told: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """One record: header fields as told, lines, money, and where it was made from."""

    type: str
    id: str
    external_id: str | None
    header: dict[str, object]
    lines: list[Line] = field(default_factory=list)
    tax_details: list[dict[str, object]] = field(default_factory=list)
    parent: str | None = None
    status: str = "A"
    subtotal: Decimal = ZERO
    discount: Decimal = ZERO
    tax: Decimal = ZERO
    total: Decimal = ZERO
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def line(self, number: int) -> Line | None:
        """The line with this number."""
        return next((line for line in self.lines if line.number == number), None)

    def next_number(self) -> int:
        """A line number that is free: 1, 4, 5, 8, 9, 12..."""
        last = max((line.number for line in self.lines), default=0)
        return last + (1 if last % 4 == 0 else 3)

    @property
    def quantity(self) -> Decimal:
        """Sum of the quantities of its open lines."""
        return sum((line.quantity for line in self.lines if not line.closed), ZERO)


class Store:
    """All records of one account. One external id per record type names one record."""

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], Record] = {}
        self._by_external: dict[tuple[str, str], Record] = {}
        self._last = 1000

    def next_id(self) -> str:
        """A fresh internal id, shared by all record types."""
        self._last += 1
        return str(self._last)

    def get(self, record: str, key: str) -> Record:
        """The record under an internal id, or under ``eid:<external id>``. Raises Refusal (404)."""
        found = self.find(record, key)
        if found is None:
            raise nonexistent()
        return found

    def find(self, record: str, key: str) -> Record | None:
        """Like get(), but None if there is none."""
        if key.startswith("eid:"):
            return self._by_external.get((record, key[4:]))
        return self._by_id.get((record, key))

    def add(self, record: Record, *, ignore_key: bool = False) -> None:
        """Keep a new record. Raises Refusal if its external id is taken."""
        if record.external_id is not None:
            key = (record.type, record.external_id)
            if key in self._by_external and not ignore_key:
                raise already_exists(*key)
            self._by_external.setdefault(key, record)
        self._by_id[record.type, record.id] = record

    def by_external_id(self, external_id: str) -> Iterator[Record]:
        """Every transaction under an external id, whatever its type."""
        for record in TRANSACTIONS:
            found = self._by_external.get((record, external_id))
            if found is not None:
                yield found

    def __len__(self) -> int:
        return len(self._by_id)
