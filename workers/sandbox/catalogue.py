"""Seeded master data of the sandbox: items, charges, customers, locations, tax codes, currencies, subsidiaries, accounts."""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Item:
    """Something an order line sells. Charges and discounts are never shipped."""

    id: str
    external_id: str
    name: str
    price: Decimal
    ships: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """Any other record that is only referred to; ``rate`` is a tax code's percentage."""

    id: str
    external_id: str
    name: str
    rate: Decimal = Decimal(0)


@dataclass(slots=True)
class Catalogue:
    """Master data by kind and internal id; ``external`` finds the id of an external id."""

    items: dict[str, Item]
    entries: dict[str, dict[str, Entry]]
    external: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in self.items.values():
            self.external["item", item.external_id] = item.id
        for kind, entries in self.entries.items():
            for entry in entries.values():
                self.external[kind, entry.external_id] = entry.id

    def has(self, kind: str, identifier: str) -> bool:
        """Whether a reference of this kind exists."""
        return identifier in (self.items if kind == "item" else self.entries[kind])

    def add(self, kind: str, entry: Entry) -> None:
        """Take a new or changed entry in."""
        self.entries[kind][entry.id] = entry
        self.external[kind, entry.external_id] = entry.id


_CHARGES = (
    ("90", "SHIPPING", "Shipping charge"),
    ("91", "HANDLING", "Handling charge"),
    ("92", "DUTY", "Duties"),
    ("93", "TIP", "Tip"),
    ("94", "GIFTCARD", "Gift certificate"),
    ("95", "FEE", "Other fee"),
    ("96", "ADJUSTMENT", "Refund adjustment"),
    ("99", "DISCOUNT", "Discount"),
)
_LOCATIONS = ("Main warehouse", "East warehouse", "West warehouse", "Store", "Returns centre", "Outlet", "Third-party site")
_TAXES = (
    ("1", "S-GB", "Standard 20%", "20"),
    ("2", "S-DE", "Standard 19%", "19"),
    ("3", "R-DE", "Reduced 7%", "7"),
    ("4", "ZERO", "Zero rated", "0"),
    ("5", "US-CA", "California 7.25%", "7.25"),
    ("6", "EXEMPT", "Exempt", "0"),
    ("7", "CHANNEL", "As computed by the channel", "0"),
)
_CURRENCIES = ("USD", "GBP", "EUR", "CAD", "JPY", "AUD", "CHF", "SEK", "DKK", "NOK", "PLN", "KWD")


def seeded() -> Catalogue:
    """The catalogue every sandbox starts with; the same ids every time."""
    return Catalogue(_items(), _entries())


def _items() -> dict[str, Item]:
    stock = [_stock_item(n) for n in range(1, 201)]
    tutorial = [Item("98", "ITEM-98", "Test item 98", Decimal("39.95")), Item("5", "ITEM-5", "Test item 5", Decimal("12.78"))]
    charges = [Item(id_, key, name, Decimal(0), ships=False) for id_, key, name in _CHARGES]
    return {item.id: item for item in (*stock, *tutorial, *charges)}


def _stock_item(n: int) -> Item:
    price = Decimal(500 + (n * 137) % 9500) / 100
    return Item(str(500 + n), f"SKU-{n:04d}", f"Article {n:04d}", price)


def _entries() -> dict[str, dict[str, Entry]]:
    customers = [Entry("110", "CUST-110", "Anonymous Customer"), Entry("164", "CUST-164", "Customer 164")]
    customers += [Entry(str(200 + n), f"CUST-{n:04d}", f"Customer {n:04d}") for n in range(1, 51)]
    kinds: dict[str, list[Entry]] = {
        "customer": customers,
        "location": [Entry(str(n), f"LOC-{n}", name) for n, name in enumerate(_LOCATIONS, 1)],
        "taxCode": [Entry(id_, key, name, Decimal(rate)) for id_, key, name, rate in _TAXES],
        "currency": [Entry(str(n), code, code) for n, code in enumerate(_CURRENCIES, 1)],
        "subsidiary": [Entry("1", "SUB-1", "Parent Company"), Entry("2", "SUB-2", "Europe")],
        "account": [Entry("254", "ACC-254", "Inventory asset")],
        "promotion": [Entry("1", "PROMO-1", "Promotion 1")],
    }
    return {kind: {entry.id: entry for entry in entries} for kind, entries in kinds.items()}


def as_json(catalogue: Catalogue) -> dict[str, dict[str, str]]:
    """Ids by kind and external id, in the kinds Millrace's cross-references have."""
    charges = {key for _, key, _ in _CHARGES}
    items = catalogue.items.values()
    out = {
        "item": {i.external_id: i.id for i in items if i.external_id not in charges},
        "charge": {i.external_id: i.id for i in items if i.external_id in charges},
    }
    names = {"customer": "customer", "location": "location", "taxCode": "tax", "account": "account"}
    names |= {"currency": "currency", "subsidiary": "subsidiary"}
    for kind, name in names.items():
        out[name] = {e.external_id: e.id for e in catalogue.entries[kind].values()}
    return out
