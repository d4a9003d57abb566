"""Writes an order as Business Central's sales order: header, goods, charges and, where the target says so, its taxes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.base import Posting, References
from adapters.erps.business_central.keys import line_mark, order_key
from adapters.erps.business_central.needs import GUEST
from adapters.erps.business_central.options import BusinessCentralOptions
from adapters.erps.options import GUID
from canonical.currencies import MINOR_DIGITS
from canonical.order import Order
from canonical.outcome import Rejected
from canonical.party import Address

TAXES = "taxes"
_PRICE = Decimal("0.00001")


@dataclass(frozen=True, slots=True)
class Draft:
    """A sales order as it shall stand: header fields, and lines by the mark in their second description."""

    header: Mapping[str, object]
    lines: Mapping[str, Mapping[str, object]]

    @property
    def body(self) -> dict[str, object]:
        """The whole for one insert."""
        return {**self.header, "salesOrderLines": [{**line, "description2": mark} for mark, line in self.lines.items()]}


def draft_of(posting: Posting, order: Order, options: BusinessCentralOptions) -> Draft | Rejected:
    """The order as Business Central shall hold it, or which reference is missing."""
    references = posting.references
    own = references.get("customer", order.customer.key) if order.customer.key else None
    customer = own or options.guest_customer or references.get("customer", GUEST)
    if not customer:
        remedy = "set the option 'guest_customer' or the customer's cross-reference, then retry"
        return Rejected("business-central.customer_missing", f"order {order.key!r} has no customer", remedy)
    lines = dict([*_goods(order, references, options), *_charges(order, references, options), *_taxes(order, options)])
    lacking = next((mark for mark, line in lines.items() if not (line.get("lineObjectNumber") or "itemId" in line)), None)
    if lacking is not None and "accountId" not in lines[lacking]:
        return missing_object(lacking)
    return Draft(_header(order, customer, options), lines)


def named(name: str, value: str) -> dict[str, object]:
    """A reference by id where it is one, else by number.

    >>> named("customer", "C0010")
    {'customerNumber': 'C0010'}
    """
    return {f"{name}{'Id' if GUID.fullmatch(value) else 'Number'}": value}


def item_of(value: str) -> dict[str, object]:
    """An item on a line."""
    return {"lineType": "Item", "itemId" if GUID.fullmatch(value) else "lineObjectNumber": value}


def account_of(value: str) -> dict[str, object]:
    """A general ledger account on a line."""
    return {"lineType": "Account", "accountId" if GUID.fullmatch(value) else "lineObjectNumber": value}


def place_of(key: str | None, references: References, options: BusinessCentralOptions) -> dict[str, object]:
    """The location of a line, by id."""
    told = (references.get("location", key) if key else None) or options.location
    return {"locationId": told} if told else {}


def missing_object(mark: str) -> Rejected:
    """A line whose item or account is not known of."""
    remedy = "set the cross-reference of the line's item or charge, then retry"
    return Rejected("business-central.item_missing", f"no item or account is known for {mark}", remedy)


def tolerance(order: Order) -> Decimal:
    """Largest difference that rounding can explain: half of the smallest coin for each line, and never below one."""
    return Decimal(1).scaleb(-MINOR_DIGITS[order.currency]) * max(1, (len(order.lines) + len(order.charges) + 1) // 2)


def _header(order: Order, customer: str, options: BusinessCentralOptions) -> dict[str, object]:
    told: dict[str, object] = {"externalDocumentNumber": order_key(order.source, order.key)}
    told |= {"orderDate": order.placed_at.date().isoformat(), "currencyCode": order.currency}
    told |= named("customer", customer)
    if not options.tax_account:
        told["pricesIncludeTax"] = order.prices_include_tax
    return told | (_address(order.shipping) if options.addresses and order.shipping is not None else {})


def _address(address: Address) -> dict[str, object]:
    fields = {
        "shipToName": address.company or address.name,
        "shipToContact": address.name if address.company else None,
        "shipToAddressLine1": address.line1,
        "shipToAddressLine2": address.line2,
        "shipToCity": address.city,
        "shipToState": address.region,
        "shipToPostCode": address.postal_code,
        "shipToCountry": address.country,
    }
    return {name: value[: _LENGTHS.get(name, 100)] for name, value in fields.items() if value}


_LENGTHS = {
    "shipToAddressLine2": 50,
    "shipToCity": 30,
    "shipToState": 30,
    "shipToPostCode": 20,
    "shipToCountry": 10,
}

_Line = tuple[str, dict[str, object]]


def _goods(order: Order, references: References, options: BusinessCentralOptions) -> Iterator[_Line]:
    for line in order.lines:
        told = item_of(references.get("item", line.sku) or "")
        told |= _price(order, line.quantity, line.unit_price, line.discount, line.tax, options)
        told |= place_of(order.location, references, options) | _text(line.title)
        yield line_mark(line.key), told


def _charges(order: Order, references: References, options: BusinessCentralOptions) -> Iterator[_Line]:
    met: Counter[str] = Counter()
    for charge in order.charges:
        met[charge.code] += 1
        number = f":{met[charge.code]}" if met[charge.code] > 1 else ""
        told = account_of(references.get("charge", charge.code) or options.charge_account)
        told |= _price(order, 1, charge.price, charge.discount, charge.tax, options) | _text(charge.title or charge.code)
        yield line_mark(f"charge:{charge.code}{number}"), told


def _taxes(order: Order, options: BusinessCentralOptions) -> Iterator[_Line]:
    if options.tax_account and order.total_tax:
        told = account_of(options.tax_account) | {"quantity": 1, "unitPrice": order.total_tax, "discountAmount": Decimal(0)}
        yield line_mark(TAXES + ":"), told | _text("Taxes") | _untaxed(options)


def _price(
    order: Order, quantity: int, price: Decimal, discount: Decimal, tax: Decimal, options: BusinessCentralOptions
) -> dict[str, object]:
    told: dict[str, object] = {"quantity": quantity, "unitPrice": price, "discountAmount": discount}
    if options.tax_account and order.prices_include_tax:
        # The gross price cannot be split a piece: the line without its tax is spread over the pieces, five decimals each.
        told |= {"unitPrice": ((price * quantity - discount - tax) / quantity).quantize(_PRICE), "discountAmount": Decimal(0)}
    return told | (_untaxed(options) if options.tax_account else {})


def _untaxed(options: BusinessCentralOptions) -> dict[str, object]:
    return {"taxCode": options.tax_code} if options.tax_code else {}


def _text(title: str | None) -> dict[str, object]:
    return {"description": title[:100]} if title else {}
