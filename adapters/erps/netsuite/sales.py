"""Writes an order as NetSuite's sales order: customer, lines, tax details, addresses and our marks."""

from collections.abc import Mapping

from adapters.erps.base import Posting
from adapters.erps.netsuite.amounts import Row, Sums, TaxRow, reference_of, sums_of
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.wire import Body
from canonical.order import Order
from canonical.outcome import Rejected
from canonical.party import Address

GUEST = "guest"
"""Key of the customer cross-reference that stands in for buyers without one of their own."""

REPLACED = "item,taxDetails"
"""Sublists that a sales order is sent whole with: sent again without this, its lines would be added."""

LONGEST_REFERENCE = 45
"""Characters of NetSuite's field for the customer's order number."""


def order_body(posting: Posting, order: Order, options: NetSuiteOptions, numbers: Mapping[str, int] | None) -> Body | Rejected:
    """The whole sales order. ``numbers`` are the line numbers of an order that NetSuite has, None for a new one."""
    sums = sums_of(order, posting.references, options)
    if isinstance(sums, Rejected):
        return sums
    customer = _customer(posting, order, options)
    if customer is None:
        remedy = "set the option 'guest_customer' or the customer's cross-reference, then retry"
        return Rejected("netsuite.customer_missing", f"order {order.key!r} has no customer in NetSuite", remedy)
    body: dict[str, object] = {"entity": {"id": customer}, "currency": currency_of(order.currency, options)}
    body |= {"tranDate": order.placed_at.date().isoformat(), "memo": order.number}
    body["otherRefNum"] = order.number[:LONGEST_REFERENCE]
    body |= _first_only(options) if numbers is None else {}
    body |= _place(posting, order, options) | beside_lines(posting, order, options)
    return body | _amounts(sums, numbers or {}, options)


def beside_lines(posting: Posting, order: Order, options: NetSuiteOptions) -> dict[str, object]:
    """What may change whatever has been shipped: addresses and our marks."""
    return marks(posting, options) | (_addresses(order) if options.addresses else {})


def marks(posting: Posting, options: NetSuiteOptions) -> dict[str, object]:
    """Our own fields: which version this is, and by which correlation id its story is found."""
    found: dict[str, object] = {}
    if options.version_field:
        found[options.version_field] = posting.version
    if options.correlation_field:
        found[options.correlation_field] = posting.correlation_id
    return found


def currency_of(code: str, options: NetSuiteOptions) -> Body:
    """Reference to a currency: by the configured internal id, else by its ISO code as external id."""
    known = options.currencies.get(code)
    return {"id": known} if known else {"externalId": code}


def tax_details(rows: tuple[TaxRow, ...], options: NetSuiteOptions) -> dict[str, object]:
    """The taxes as the channel reckoned them, in place of NetSuite's own reckoning."""
    return {"taxDetailsOverride": True, "taxDetails": {"items": [_tax_row(row, options) for row in rows]}}


def _customer(posting: Posting, order: Order, options: NetSuiteOptions) -> str | None:
    references = posting.references
    own = references.get("customer", order.customer.key) if order.customer.key else None
    return own or options.guest_customer or references.get("customer", GUEST)


def _first_only(options: NetSuiteOptions) -> dict[str, object]:
    subsidiary: dict[str, object] = {"subsidiary": {"id": options.subsidiary}} if options.subsidiary else {}
    return {"orderStatus": options.order_status} | subsidiary


def _place(posting: Posting, order: Order, options: NetSuiteOptions) -> dict[str, object]:
    told = posting.references.get("location", order.location) if order.location else None
    location = told or options.location
    return {"location": {"id": location}} if location else {}


def _amounts(sums: Sums, numbers: Mapping[str, int], options: NetSuiteOptions) -> dict[str, object]:
    items = [_row(row, n, numbers.get(row.key), options) for n, row in enumerate(sums.rows, 1)]
    return {"shippingCost": sums.shipping_cost, "item": {"items": items}} | tax_details(sums.taxes, options)


def _row(row: Row, position: int, number: int | None, options: NetSuiteOptions) -> Body:
    told: dict[str, object] = {} if number is None else {"line": number}
    told |= {"item": {"id": row.item}, "quantity": row.quantity, "rate": row.rate, "amount": row.amount}
    told["taxDetailsReference"] = reference_of(position)
    if row.title:
        told["description"] = row.title[:999]
    if options.line_field:
        told[options.line_field] = row.key
    return told


def _tax_row(row: TaxRow, options: NetSuiteOptions) -> Body:
    told: dict[str, object] = {"taxDetailsReference": row.reference, "taxBasis": row.basis, "taxAmount": row.amount}
    if row.code:
        told["taxCode"] = {"id": row.code}
    if options.tax_type:
        told["taxType"] = {"id": options.tax_type}
    if row.percent is not None:
        told["taxRate"] = row.percent
    return told


def _addresses(order: Order) -> dict[str, object]:
    found: dict[str, object] = {}
    if order.shipping is not None:
        found["shippingAddress"] = _address(order.shipping)
    if order.billing is not None:
        found["billingAddress"] = _address(order.billing)
    return found


def _address(address: Address) -> Body:
    fields = {
        "addressee": address.company or address.name,
        "attention": address.name if address.company else None,
        "addr1": address.line1,
        "addr2": address.line2,
        "city": address.city,
        "state": address.region,
        "zip": address.postal_code,
        "addrPhone": address.phone,
    }
    told: dict[str, object] = {name: value for name, value in fields.items() if value}
    return told | ({"country": {"id": address.country}} if address.country else {})
