"""Fields the sandbox knows of each record, and how a request's JSON is read into them.

Names are matched without regard to case (the vendor's own examples write ``isclosed`` and ``Description``); custom fields
(``custbody_``, ``custcol_``, ``custentity_``) are always known. An unknown name is a warning, or an error if the caller
asked for ``X-NetSuite-PropertyNameValidation: error``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from workers.sandbox.catalogue import Catalogue
from workers.sandbox.problems import invalid_content, invalid_request, invalid_value

Json = Mapping[str, object]

_EXTERNAL_ID = re.compile(r"[^|\x00-\x1f]{1,100}")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_CUSTOM = ("custbody", "custcol", "custentity", "custitem", "custrecord")

_HEADER = (
    "externalId:text memo:text tranDate:date tranId:text customForm:any otherRefNum:text email:text message:text "
    "currency:currency entity:customer subsidiary:subsidiary location:location department:any class:any "
    "exchangeRate:number orderStatus:enum status:enum isTaxable:bool source:any salesRep:any terms:any "
)
_SALES = _HEADER + (
    "shipDate:date shipMethod:any shippingCost:number handlingCost:number shippingTaxCode:taxCode "
    "shippingTax1Rate:number handlingTaxCode:taxCode discountItem:item discountRate:percent discountTotal:number "
    "promoCode:promotion subtotal:number taxTotal:number total:number taxDetailsOverride:bool shipComplete:bool "
    "shippingAddress:any billingAddress:any shipAddress:any billAddress:any shipAddressList:any billAddressList:any "
    "shipIsResidential:bool toBeEmailed:bool salesEffectiveDate:date startDate:date endDate:date "
    "leadSource:any paymentMethod:any paymentOption:any getAuth:bool isOnlineTransaction:any "
)
_LINE = (
    "line:line item:item quantity:number rate:number amount:number grossAmt:number description:text price:any "
    "location:location taxCode:taxCode taxRate1:percent tax1Amt:number taxDetailsReference:text isClosed:bool units:any "
    "department:any class:any commitInventory:any expectedShipDate:date isTaxable:bool orderPriority:any "
    "inventoryDetail:any options:any "
)
_TRANSFORM_LINE = "orderLine:line itemReceive:bool restock:bool shipMethod:any "
_FULFILMENT = _HEADER + (
    "shipStatus:enum shipMethod:any shippingCost:number handlingCost:number shippedDate:date pickedDate:date "
    "packedDate:date shippingAddress:any shipAddress:any shipAddressList:any generateIntegratedShipperLabel:bool "
    "createdFrom:any partner:any package:any packageUps:any packageFedex:any packageUsps:any "
)
_CUSTOMER = (
    "externalId:text firstName:text lastName:text companyName:text entityId:text isPerson:bool email:text phone:text "
    "subsidiary:subsidiary currency:currency category:any addressBook:any comments:text entityStatus:any taxItem:any "
)


def _table(text: str) -> dict[str, tuple[str, str]]:
    pairs = (word.split(":") for word in text.split())
    return {name.lower(): (name, kind) for name, kind in pairs}


_TABLES: dict[str, tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]] = {
    "salesOrder": (_table(_SALES), _table(_LINE)),
    "returnAuthorization": (_table(_SALES + "createdFrom:any"), _table(_LINE + _TRANSFORM_LINE)),
    "creditMemo": (_table(_SALES + "createdFrom:any autoApply:bool account:account"), _table(_LINE + _TRANSFORM_LINE)),
    "itemFulfillment": (_table(_FULFILMENT), _table(_LINE + _TRANSFORM_LINE)),
    "itemReceipt": (_table(_FULFILMENT), _table(_LINE + _TRANSFORM_LINE)),
    "customer": (_table(_CUSTOMER), {}),
}
RECORDS = tuple(_TABLES)


@dataclass(slots=True)
class Draft:
    """A request's body, read: header fields, lines if it had any, tax details if it had any, and unknown names."""

    header: dict[str, object] = field(default_factory=dict)
    lines: list[dict[str, object]] | None = None
    tax_details: list[dict[str, object]] | None = None
    unknown: list[str] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        """A header field as text."""
        value = self.header.get(name)
        return None if value is None else str(value)


def read(record: str, body: Json, catalogue: Catalogue, *, strict_names: bool) -> Draft:
    """Read a request body. Raises Refusal (INVALID_CONTENT) for values and references its fields cannot take."""
    header, line = _TABLES[record]
    draft = Draft()
    for name, value in body.items():
        folded = name.lower()
        if folded == "item" and line:
            rows = _rows(value, "item")
            draft.lines = [_row(row, line, f"item.items[{n}]", catalogue, draft.unknown) for n, row in enumerate(rows)]
        elif folded == "taxdetails" and line:
            draft.tax_details = [_tax_row(row, n, catalogue) for n, row in enumerate(_rows(value, "taxDetails"))]
        elif folded in header:
            known, kind = header[folded]
            draft.header[known] = _value(value, known, kind, known, catalogue)
            if known == "discountRate":
                draft.header["discountRateIsPercent"] = isinstance(value, str) and value.endswith("%")
        elif folded.startswith(_CUSTOM):
            draft.header[folded] = value
        elif folded not in {"links", "id"}:
            draft.unknown.append(name)
    if strict_names and draft.unknown:
        raise invalid_content(f"Unknown field name: {draft.unknown[0]}.", draft.unknown[0])
    return draft


def _rows(value: object, name: str) -> list[Json]:
    rows = value.get("items") if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid_content(f"Invalid value for the resource or sub-resource field '{name}'.", name)
    return rows


def _row(row: Json, table: dict[str, tuple[str, str]], path: str, catalogue: Catalogue, unknown: list[str]) -> dict[str, object]:
    out: dict[str, object] = {}
    for name, value in row.items():
        folded = name.lower()
        if folded in table:
            known, kind = table[folded]
            out[known] = _value(value, known, kind, f"{path}.{known}", catalogue)
        elif folded.startswith(_CUSTOM):
            out[folded] = value
        elif folded != "links":
            unknown.append(f"{path}.{name}")
    return out


def _tax_row(row: Json, number: int, catalogue: Catalogue) -> dict[str, object]:
    path = f"taxDetails.items[{number}]"
    kinds = _table("taxDetailsReference:text taxCode:taxCode taxType:any taxBasis:number taxRate:percent taxAmount:number")
    out = _row(row, kinds, path, catalogue, [])
    if "taxAmount" not in out or "taxDetailsReference" not in out:
        raise invalid_content("Please enter value(s) for: Tax Details Reference, Tax Amount", path)
    return out


def _value(value: object, name: str, kind: str, path: str, catalogue: Catalogue) -> object:
    if value is None or kind == "any":
        return value
    reader = _READERS.get(kind)
    return _reference(value, name, kind, path, catalogue) if reader is None else reader(value, name, path)


def _enum(value: object, name: str, path: str) -> str:  # noqa: ARG001 - one shape for all readers
    return str(value.get("id") if isinstance(value, dict) else value)


def _flag(value: object, name: str, path: str) -> bool:
    if isinstance(value, bool):
        return value
    raise invalid_value(value, name, path)


def _number(value: object, name: str, path: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise invalid_value(value, name, path)
    try:
        number = Decimal(value.removesuffix("%")) if isinstance(value, str) else Decimal(value)
    except InvalidOperation:
        raise invalid_value(value, name, path) from None
    if not number.is_finite() or abs(number) > Decimal("1e15"):
        raise invalid_value(value, name, path)
    return number


def _line_number(value: object, name: str, path: str) -> int:
    number = _number(value, name, path)
    if number != int(number) or number < 1:
        raise invalid_value(value, name, path)
    return int(number)


def _day(value: object, name: str, path: str) -> str:
    found = _DATE.match(value) if isinstance(value, str) else None
    if found is None:
        raise invalid_value(value, name, path)
    try:
        return date(*(int(part) for part in found.groups())).isoformat()
    except ValueError:
        raise invalid_value(value, name, path) from None


def _text(value: object, name: str, path: str) -> str:
    if not isinstance(value, str | int | Decimal) or isinstance(value, bool):
        raise invalid_value(value, name, path)
    text = str(value)
    if name == "externalId" and not _EXTERNAL_ID.fullmatch(text):
        raise invalid_value(text, name, path)
    if len(text) > 999:
        raise invalid_content(f"The field {name} contained more than the maximum number ( 999 ) of characters allowed.", path)
    return text


_READERS: dict[str, Callable[[object, str, str], object]] = {
    "bool": _flag,
    "number": _number,
    "percent": _number,
    "line": _line_number,
    "date": _day,
    "enum": _enum,
    "text": _text,
}


def _reference(value: object, name: str, kind: str, path: str, catalogue: Catalogue) -> str:
    identifier: object = value
    if isinstance(value, dict):
        identifier = value.get("id")
        if identifier is None and value.get("externalId") is not None:
            identifier = catalogue.external.get((kind, str(value["externalId"])))
            if identifier is None:
                raise invalid_value(value["externalId"], name, path)
    if isinstance(identifier, bool) or not isinstance(identifier, str | int):
        raise invalid_value(identifier, name, path)
    found = str(identifier)
    if not catalogue.has(kind, found):
        raise invalid_value(found, name, path)
    return found


def as_object(value: object) -> Json:
    """The body as an object. Raises Refusal (INVALID_REQUEST) for any other JSON."""
    if not isinstance(value, dict):
        raise invalid_request()
    return value
