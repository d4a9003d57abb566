"""The company's memory: master data, documents with their lines, and what a line comes to."""

import uuid
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from workers.sandbox.odata.calls import Json, Refusal

ZERO = Decimal(0)
_CENT = Decimal("0.01")

ITEMS = {"1896-S": "ATHENS Desk", "1928-S": "AMSTERDAM Lamp", "1996-S": "ATLANTA Whiteboard, base"} | {
    str(n): f"Article {n}" for n in range(70001, 70201)
}
ACCOUNTS = {"5610": "Sales tax", "6110": "Sales", "6120": "Shipping charges", "6910": "Refund adjustments"}
CUSTOMERS = {"10000": "Adatum Corporation", "20000": "First Up Consultants"} | {
    f"C{n:05d}": f"Customer {n}" for n in range(1, 51)
}
TAXES = {"TAXABLE": Decimal(8), "NONTAXABLE": ZERO}
"""Percent by tax code; an item without one is taxable."""


def guid_of(kind: str, number: str) -> str:
    """Id of a master record, the same every time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{number}"))


_BY_ID = {guid_of(kind, n): (kind, n) for kind, all_ in (("Item", ITEMS), ("Account", ACCOUNTS)) for n in all_} | {
    guid_of("Customer", n): ("Customer", n) for n in CUSTOMERS
}
LOCATIONS = frozenset(guid_of("Location", n) for n in ("EAST", "MAIN", "WEST"))


@dataclass(slots=True)
class Document:
    """A document: header fields, lines, and the counter behind its etag."""

    id: str
    header: Json
    lines: list[Json] = field(default_factory=list)
    version: int = 1

    @property
    def etag(self) -> str:
        """Changes with each write."""
        return f'W/"{self.id[:8]}-{self.version}"'

    def total(self) -> Decimal:
        """What the customer owes."""
        return sum((Decimal(line["amountIncludingTax"]) for line in self.lines), ZERO)


@dataclass(slots=True)
class Memory:
    """All documents by set and id."""

    sets: dict[str, dict[str, Document]] = field(
        default_factory=lambda: {n: {} for n in ("salesOrders", "salesShipments", "salesInvoices", "salesCreditMemos")}
    )
    numbers: int = 1000

    def number(self) -> str:
        """The next document number."""
        self.numbers += 1
        return str(self.numbers)


def with_customer(header: Json) -> Json:
    """The header with its customer by number and id. Raises Refusal for one that is not there."""
    number = str(header.get("customerNumber") or "")
    if "customerId" in header:
        number = _BY_ID.get(str(header["customerId"]), ("", ""))[1]
    if number not in CUSTOMERS:
        raise Refusal(400, "Internal_RecordNotFound", f"The Customer does not exist. Customer No.='{number}'.")
    return {**header, "customerNumber": number, "customerId": guid_of("Customer", number), "customerName": CUSTOMERS[number]}


def new_line(told: Json, sequence: int, document_id: str) -> Json:
    """A line as it is stored. Raises Refusal for an item, account or place that is not there."""
    line: Json = {"id": str(uuid.uuid4()), "documentId": document_id, "sequence": sequence, "lineType": "Item"}
    line |= {"quantity": ZERO, "unitPrice": ZERO, "discountAmount": ZERO, "taxCode": "TAXABLE", "description2": ""}
    line |= {"shippedQuantity": ZERO, "invoicedQuantity": ZERO}
    return reckoned(line, told)


def reckoned(line: Json, told: Json) -> Json:
    """The line with what is told, and its amounts. Raises Refusal."""
    line = {**line, **told}
    kind, number = str(line["lineType"]), str(line.get("lineObjectNumber") or "")
    for name in ("itemId", "accountId"):
        if name in told:
            kind, number = _BY_ID.get(str(told[name]), (kind, ""))
    known = {"Item": ITEMS, "Account": ACCOUNTS}.get(kind)
    if known is None or number not in known:
        message = f"The field No. of table Sales Line contains a value ({number}) that cannot be found in the related table."
        raise Refusal(400, "Internal_InvalidTableRelation", message)
    if line.get("locationId") and line["locationId"] not in LOCATIONS:
        raise Refusal(400, "Internal_RecordNotFound", "The Location does not exist.")
    if line["taxCode"] not in TAXES:
        raise Refusal(400, "Internal_RecordNotFound", "The Tax Group does not exist.")
    if Decimal(line["quantity"]) < Decimal(line["shippedQuantity"]):
        raise Refusal(400, "Application_DialogException", "Quantity must not be less than what has been shipped.")
    return {
        **line,
        "lineType": kind,
        "lineObjectNumber": number,
        "description": line.get("description") or known[number],
    } | _sums(line, told)


def _sums(line: Json, told: Json) -> Json:
    gross = Decimal(line["quantity"]) * Decimal(line["unitPrice"]) - Decimal(line["discountAmount"])
    amount = gross.quantize(_CENT, ROUND_HALF_UP)
    tax = (amount * TAXES[line["taxCode"]] / 100).quantize(_CENT, ROUND_HALF_UP)
    left = Decimal(line["quantity"]) - Decimal(line["shippedQuantity"])
    sums: Json = {"amountExcludingTax": amount, "totalTaxAmount": tax, "amountIncludingTax": amount + tax}
    for name in ("shipQuantity", "invoiceQuantity"):
        wanted = Decimal(line[name]) if name in told else left
        if wanted > left:
            raise Refusal(400, "Application_DialogException", f"You cannot handle more than {left} units.")
        sums[name] = wanted
    return sums
