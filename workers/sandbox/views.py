"""Records as the sandbox shows them: NetSuite's JSON with links, references and sublists."""

from decimal import Decimal

from workers.sandbox.catalogue import Catalogue
from workers.sandbox.money import currency_of
from workers.sandbox.records import TRANSACTIONS, Line, Record

BASE = "/services/rest/record/v1"
_STATUS_NAMES = {
    "salesOrder": {
        "A": "Pending Approval",
        "B": "Pending Fulfillment",
        "C": "Cancelled",
        "D": "Partially Fulfilled",
        "E": "Pending Billing/Partially Fulfilled",
        "F": "Pending Billing",
        "G": "Billed",
        "H": "Closed",
    },
    "returnAuthorization": {
        "A": "Pending Approval",
        "B": "Pending Receipt",
        "C": "Cancelled",
        "D": "Partially Received",
        "E": "Pending Refund/Partially Received",
        "F": "Pending Refund",
        "G": "Refunded",
        "H": "Closed",
    },
    "itemFulfillment": {"A": "Picked", "B": "Packed", "C": "Shipped"},
}
_REFERENCES = {
    "entity": ("customer", "customer"),
    "currency": ("currency", "currency"),
    "subsidiary": ("subsidiary", "subsidiary"),
    "location": ("location", "location"),
    "discountItem": ("item", "discountItem"),
}
_SUBLISTS = frozenset({"package", "packageUps", "packageFedex", "packageUsps"})


def href(origin: str, record: str, identifier: str) -> str:
    """Address of a record."""
    return f"{origin}{BASE}/{record}/{identifier}"


def whole(record: Record, catalogue: Catalogue, origin: str, *, expand: bool) -> dict[str, object]:
    """A record; its sublists as links, or in full with ``expand``."""
    here = href(origin, record.type, record.id)
    out: dict[str, object] = {"links": [{"rel": "self", "href": here}]}
    for name, value in record.header.items():
        if name in {"orderStatus", "shipStatus", "discountRateIsPercent"}:
            continue
        if name in _SUBLISTS and not expand:
            out[name] = {"links": [{"rel": "self", "href": f"{here}/{name}"}]}
        else:
            out[name] = _shown(name, value, catalogue, origin)
    out |= {"id": record.id, "externalId": record.external_id}
    out |= {"createdDate": _stamp(record.created_at.isoformat()), "lastModifiedDate": _stamp(record.modified_at.isoformat())}
    if record.type in TRANSACTIONS:
        out |= _transaction(record, catalogue, origin)
        out["item"] = lines(record, catalogue, origin) if expand else {"links": [{"rel": "self", "href": f"{here}/item"}]}
    return out


def _stamp(moment: str) -> str:
    return f"{moment[:19]}Z"


def _transaction(record: Record, catalogue: Catalogue, origin: str) -> dict[str, object]:
    name = _STATUS_NAMES.get(record.type, {}).get(record.status, record.status)
    out: dict[str, object] = {"tranId": f"{record.type[:2].upper()}{record.id}", "status": {"id": record.status, "refName": name}}
    if record.type in {"salesOrder", "returnAuthorization"}:
        out["orderStatus"] = {"id": record.status, "refName": name}
    if record.type == "itemFulfillment":
        out["shipStatus"] = {"id": record.status, "refName": name}
    if record.parent is not None:
        kind = "returnAuthorization" if record.type in {"itemReceipt", "creditMemo"} else "salesOrder"
        link = {"rel": "self", "href": href(origin, kind, record.parent)}
        out["createdFrom"] = {"links": [link], "id": record.parent}
    if record.type not in {"itemFulfillment", "itemReceipt"}:
        out |= {"currencyName": currency_of(record, catalogue), "subtotal": record.subtotal, "taxTotal": record.tax}
        out |= {"discountTotal": record.discount, "total": record.total}
    return out


def _shown(name: str, value: object, catalogue: Catalogue, origin: str) -> object:
    if name in _REFERENCES and isinstance(value, str):
        kind, path = _REFERENCES[name]
        known = catalogue.items[value].name if kind == "item" else catalogue.entries[kind][value].name
        return {"links": [{"rel": "self", "href": href(origin, path, value)}], "id": value, "refName": known}
    return value


def lines(record: Record, catalogue: Catalogue, origin: str) -> dict[str, object]:
    """The ``item`` sublist in full."""
    here = f"{href(origin, record.type, record.id)}/item"
    items = [_line(record, line, catalogue, here, origin) for line in record.lines]
    return {
        "links": [{"rel": "self", "href": here}],
        "count": len(items),
        "hasMore": False,
        "items": items,
        "offset": 0,
        "totalResults": len(items),
    }


def _line(record: Record, line: Line, catalogue: Catalogue, here: str, origin: str) -> dict[str, object]:
    item = catalogue.items[line.item]
    out: dict[str, object] = {"links": [{"rel": "self", "href": f"{here}/{line.number}"}]}
    out |= {name: value for name, value in line.told.items() if name not in {"location", "taxCode", "item"}}
    for name in ("location", "taxCode"):
        if isinstance(identifier := line.told.get(name), str):
            out[name] = {"id": identifier, "refName": catalogue.entries[name][identifier].name}
    out["item"] = {
        "links": [{"rel": "self", "href": href(origin, "inventoryItem", item.id)}],
        "id": item.id,
        "refName": item.external_id,
    }
    out |= {"line": line.number, "quantity": line.quantity, "isClosed": line.closed}
    if line.source is not None:
        out["orderLine"] = line.source
    if record.type in {"itemFulfillment", "itemReceipt"}:
        out |= {"itemReceive": True}
        out.pop("amount", None)
    else:
        out |= {"amount": line.amount, "rate": _rate(line), "tax1Amt": line.tax}
    if record.type == "salesOrder":
        out |= {"quantityFulfilled": line.shipped, "quantityPicked": line.taken}
    if record.type == "returnAuthorization":
        out |= {"quantityReceived": line.shipped, "quantityBilled": line.credited}
    return out


def _rate(line: Line) -> Decimal:
    told = line.told.get("rate")
    if isinstance(told, Decimal):
        return told
    return line.amount / line.quantity if line.quantity else line.amount


def item(catalogue: Catalogue, identifier: str, origin: str) -> dict[str, object] | None:
    """An inventory item by internal id, None if there is none."""
    found = catalogue.items.get(identifier)
    if found is None:
        return None
    return {
        "links": [{"rel": "self", "href": href(origin, "inventoryItem", found.id)}],
        "id": found.id,
        "externalId": found.external_id,
        "itemId": found.external_id,
        "displayName": found.name,
        "basePrice": found.price,
        "isInactive": False,
    }
