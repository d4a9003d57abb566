"""Writes an order as Dataverse's sales order with its order products; charges are write-in products."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.base import Need, Posting
from adapters.erps.dataverse.options import DataverseOptions
from canonical.keys import fit
from canonical.order import Charge, Order, OrderLine
from canonical.outcome import Rejected

GUEST = "guest"
LONGEST = 100
"""Characters of the key column."""

_PRICE = Decimal("0.0000000001")


@dataclass(frozen=True, slots=True)
class Draft:
    """A sales order as it shall stand: columns of the order, and of its products by our line key."""

    header: Mapping[str, object]
    lines: Mapping[str, Mapping[str, object]]


def order_key(source: str, key: str) -> str:
    """Value of the alternate key of an order.

    >>> order_key("shopify", "1001")
    'shopify_1001'
    """
    return fit(source, key, LONGEST)


def needs_of(order: Order, options: DataverseOptions) -> tuple[Need, ...]:
    """A customer and a product for each line; what an option stands in for is not required."""
    customer = Need("customer", order.customer.key or GUEST, required=not options.guest_account)
    return tuple(dict.fromkeys([customer, *(Need("item", line.sku) for line in order.lines)]))


def draft_of(posting: Posting, order: Order, options: DataverseOptions) -> Draft | Rejected:
    """The order as Dataverse shall hold it, or which reference is missing."""
    if order.currency != options.currency:
        remedy = "route orders of this currency to a target of their own, with a price list in it"
        return Rejected("dataverse.currency", f"the target's price list is in {options.currency}, not {order.currency}", remedy)
    references = posting.references
    own = references.get("customer", order.customer.key) if order.customer.key else None
    customer = own or options.guest_account or references.get("customer", GUEST)
    if not customer:
        remedy = "set the option 'guest_account' or the customer's cross-reference, then retry"
        return Rejected("dataverse.customer_missing", f"order {order.key!r} has no customer", remedy)
    lines: dict[str, Mapping[str, object]] = {}
    for line in order.lines:
        product = references.get("item", line.sku)
        if not product:
            remedy = "set the cross-reference of the line's item, then retry"
            return Rejected("dataverse.item_missing", f"no product is known for line {line.key!r}", remedy)
        lines[line.key] = _product(product, options) | _amounts(order, line, line.quantity, line.unit_price)
    lines |= dict(_charges(order))
    return Draft(_header(order, customer, options), lines)


def _product(product: str, options: DataverseOptions) -> dict[str, object]:
    return {
        "productid@odata.bind": f"/products({product})",
        "uomid@odata.bind": f"/uoms({options.unit})",
        "isproductoverridden": False,
        "ispriceoverridden": True,
    }


def _charges(order: Order) -> Iterator[tuple[str, Mapping[str, object]]]:
    met: Counter[str] = Counter()
    for charge in order.charges:
        met[charge.code] += 1
        number = f":{met[charge.code]}" if met[charge.code] > 1 else ""
        told: dict[str, object] = {"isproductoverridden": True, "productdescription": (charge.title or charge.code)[:500]}
        yield f"charge:{charge.code}{number}", told | _amounts(order, charge, 1, charge.price)


def _amounts(order: Order, told: OrderLine | Charge, quantity: int, price: Decimal) -> dict[str, object]:
    amounts: dict[str, object] = {"quantity": quantity, "priceperunit": price, "manualdiscountamount": told.discount}
    if order.prices_include_tax:
        # Dataverse adds the tax to the price: the line without its tax is spread over the pieces.
        net = (told.net - told.tax) / quantity
        amounts |= {"priceperunit": net.quantize(_PRICE), "manualdiscountamount": Decimal(0)}
    return amounts | {"tax": told.tax}


def _header(order: Order, customer: str, options: DataverseOptions) -> dict[str, object]:
    told: dict[str, object] = {"name": order.number[:300]}
    told |= {"customerid_account@odata.bind": f"/accounts({customer})"}
    told |= {"pricelevelid@odata.bind": f"/pricelevels({options.price_list})"}
    told["ispricelocked"] = False
    if options.addresses and order.shipping is not None:
        to = order.shipping
        fields = {
            "shipto_name": (to.company or to.name, 200),
            "shipto_line1": (to.line1, 4000),
            "shipto_line2": (to.line2, 4000),
            "shipto_city": (to.city, 80),
            "shipto_stateorprovince": (to.region, 50),
            "shipto_postalcode": (to.postal_code, 20),
            "shipto_country": (to.country, 80),
        }
        told |= {name: value[:most] for name, (value, most) in fields.items() if value}
    return told
