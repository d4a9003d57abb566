"""Recorded Shopify orders, a fulfilment and a refund, parsed by the channel and posted twice each to a real Tryton."""

import copy
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.base import Parsed, Told
from adapters.channels.shopify.channel import Shopify
from adapters.erps.base import Posting, References, RefKind
from canonical.order import Order
from canonical.outcome import AlreadyDone, Done
from canonical.returns import Return
from canonical.shipment import Shipment
from tests.adapters.erps.tryton.conftest import Line
from tests.tryton_erp import TrytonErp

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("tryton"), pytest.mark.timeout(600)]

RECORDED = Path(__file__).parents[4] / ".." / "shared" / "fixtures" / "shopify"
NOW = datetime.now(UTC)
_numbers = itertools.count(7_000_000)


def _recorded(name: str) -> dict[str, Any]:
    """The order of a recorded answer as it was when it was placed, under an id of its own."""
    if not RECORDED.exists():
        pytest.skip("the folder with the recordings is absent")
    order = copy.deepcopy(next(_orders(json.loads((RECORDED / name).read_text(), parse_float=str))))
    for told in (order, *order["line_items"]):
        for key in [key for key in told if key.startswith("current_")]:
            del told[key]
    order["id"] = next(_numbers)
    return order


def _orders(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "line_items" in value and "total_price" in value:
            yield value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _orders(part)


def _parse(topic: str, payload: dict[str, Any]) -> Order | Shipment | Return:
    told = Told("shopify-eu", topic, {}, json.dumps(payload).encode(), NOW)
    parsed = Shopify().parse(told)
    assert isinstance(parsed, Parsed), parsed
    [document] = parsed.documents
    assert isinstance(document, Order | Shipment | Return)
    return document


def _references(tryton: TrytonErp, order: Order) -> References:
    """SKUs mapped to seeded products; each tax to a tax that gives the told amounts."""
    products = [str(number) for sku, number in tryton.ids["products"].items() if sku != "SHIPPING"]
    skus = sorted({line.sku for line in order.lines})
    rates: dict[str, list[Decimal]] = {}
    for line in order.lines:
        for tax in line.taxes:
            rates.setdefault(tax.title, [Decimal(0), Decimal(0)])
            rates[tax.title][0] += tax.amount
            rates[tax.title][1] += line.net
    taxes = {title: str(tryton.tax(title, f"{amount / net:.5f}")) for title, (amount, net) in rates.items()}
    kinds: dict[RefKind, dict[str, str]] = {"item": dict(zip(skus, products, strict=False)), "tax": taxes}
    return References(kinds)


def _twice(erp: Line, posting: Posting) -> str:
    first = erp.post(posting)
    assert isinstance(first, Done), first
    assert erp.post(posting) == AlreadyDone(first.remote_id)
    return first.remote_id


@pytest.mark.parametrize("name", ["24_post_orders", "1_get_orders", "6_get_orders"])
def test_a_recorded_order_becomes_a_processed_sale_with_the_same_total(erp: Line, tryton: TrytonErp, name: str) -> None:
    order = _parse("orders/create", _recorded(f"rest2026_07_order_test_{name}.json"))
    assert isinstance(order, Order)
    references = _references(tryton, order)

    sale = _twice(erp, Posting(1, "order.create", 1, order, order, references, None, 1, "corr-1"))

    head = f"select state, total_amount_cache from sale_sale where id = {sale}"
    assert tryton.sql(head) == [f"processing|{order.total}"]
    pieces = tryton.sql(
        "select coalesce(sum(quantity), 0), sum(round(quantity::numeric * unit_price, 2)) from sale_line"
        f" where sale = {sale} and note not like 'charge:%' and note not like 'millrace:%'"
    )
    goods = sum((line.net for line in order.lines), Decimal(0))
    assert pieces == [f"{sum(line.quantity for line in order.lines)}|{goods}"]


def test_a_recorded_fulfilment_and_refund_become_a_done_shipment_and_a_posted_credit_note(erp: Line, tryton: TrytonErp) -> None:
    told = _recorded("rest2026_07_order_test_1_get_orders.json")
    order = _parse("orders/create", told)
    assert isinstance(order, Order)
    references = _references(tryton, order)
    fulfilment = {**told["fulfillments"][0], "id": next(_numbers), "order_id": told["id"], "status": "success"}
    refund = {**told["refunds"][0], "id": next(_numbers), "order_id": told["id"]}
    shipped, returned = _parse("fulfillments/create", fulfilment), _parse("refunds/create", refund)
    assert isinstance(shipped, Shipment)
    assert isinstance(returned, Return)
    _twice(erp, Posting(1, "order.create", 1, order, order, references, None, 1, "corr-1"))

    parcel = _twice(erp, Posting(2, "shipment.create", 1, shipped, order, references, None, 1, "corr-1"))
    sale = _twice(erp, Posting(3, "return.create", 1, returned, order, references, None, 1, "corr-1"))

    assert tryton.sql(f"select state from stock_shipment_out where id = {parcel}") == ["done"]
    credit = (
        "select distinct i.state, i.total_amount_cache from account_invoice i join account_invoice_line v on v.invoice = i.id"
        f" join sale_line l on v.origin = 'sale.line,' || l.id where l.sale = {sale}"
    )
    assert tryton.sql(credit) == [f"posted|-{returned.total}"]
