"""Which fields the sandbox takes for which record, and of what kind: API v2.0's resource types (Microsoft Learn)."""

import re
from decimal import Decimal

from workers.sandbox.odata.calls import Json, Refusal

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Kind = int | str
"""A text's greatest length, or ``guid``, ``date``, ``decimal``, ``flag``, ``lines``."""

_PARTY: dict[str, Kind] = {
    "customerId": "guid",
    "customerNumber": 20,
    "billToCustomerId": "guid",
    "billToCustomerNumber": 20,
    "sellToAddressLine1": 100,
    "sellToAddressLine2": 50,
    "sellToCity": 30,
    "sellToCountry": 10,
    "sellToState": 30,
    "sellToPostCode": 20,
    "currencyCode": 10,
    "currencyId": "guid",
    "paymentTermsId": "guid",
    "shipmentMethodId": "guid",
    "salesperson": 20,
    "discountAmount": "decimal",
    "phoneNumber": 30,
    "email": 80,
    "externalDocumentNumber": 35,
    "postingDate": "date",
}
_SHIP_TO: dict[str, Kind] = {
    "shipToName": 100,
    "shipToContact": 100,
    "shipToAddressLine1": 100,
    "shipToAddressLine2": 50,
    "shipToCity": 30,
    "shipToCountry": 10,
    "shipToState": 30,
    "shipToPostCode": 20,
}
_LINE: dict[str, Kind] = {
    "sequence": "decimal",
    "itemId": "guid",
    "accountId": "guid",
    "lineType": 30,
    "lineObjectNumber": 20,
    "description": 100,
    "description2": 50,
    "unitOfMeasureId": "guid",
    "unitOfMeasureCode": 10,
    "quantity": "decimal",
    "unitPrice": "decimal",
    "discountAmount": "decimal",
    "discountPercent": "decimal",
    "taxCode": 20,
    "itemVariantId": "guid",
    "locationId": "guid",
}
WRITABLE: dict[str, dict[str, Kind]] = {
    "salesOrder": _PARTY
    | _SHIP_TO
    | {
        "orderDate": "date",
        "pricesIncludeTax": "flag",
        "partialShipping": "flag",
        "requestedDeliveryDate": "date",
        "salesOrderLines": "lines",
    },
    "salesOrderLine": _LINE | {"shipmentDate": "date", "invoiceQuantity": "decimal", "shipQuantity": "decimal"},
    "salesCreditMemo": _PARTY
    | {
        "creditMemoDate": "date",
        "dueDate": "date",
        "invoiceId": "guid",
        "invoiceNumber": 20,
        "customerReturnReasonId": "guid",
        "salesCreditMemoLines": "lines",
    },
    "salesCreditMemoLine": _LINE,
}
"""Writable fields by entity; the headers' line collections take deep inserts."""


def checked(entity: str, body: Json) -> Json:
    """The body, if every field is known, writable and of its kind. Raises Refusal."""
    known = WRITABLE[entity]
    for name, value in body.items():
        if name not in known:
            message = f"The property '{name}' does not exist on type 'Microsoft.NAV.{entity}'."
            raise Refusal(400, "BadRequest", message)
        _check(name, value, known[name])
    return body


def _check(name: str, value: object, kind: Kind) -> None:
    if isinstance(kind, int):
        if not isinstance(value, str):
            raise _wrong(name)
        if len(value) > kind:
            message = f"The length of the string is {len(value)}, but it must be less than or equal to {kind} characters."
            raise Refusal(400, "Application_StringExceededLength", message)
        return
    right = {
        "guid": isinstance(value, str) and _GUID.fullmatch(value) is not None,
        "date": isinstance(value, str) and _DATE.fullmatch(value) is not None,
        "decimal": isinstance(value, int | Decimal) and not isinstance(value, bool),
        "flag": isinstance(value, bool),
        "lines": isinstance(value, list) and all(isinstance(one, dict) for one in value),
    }
    if not right[kind]:
        raise _wrong(name)


def _wrong(name: str) -> Refusal:
    return Refusal(400, "BadRequest", f"Cannot convert a value to target type for the property '{name}'.")
