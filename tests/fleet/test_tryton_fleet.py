"""Signed Shopify webhooks become documents in a real ERP, each exactly once: sent twice, and one answer lost a kind."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ledger.crossrefs import CrossRef
from tests.fleet.running import TestFleet, a_fleet
from tests.fleet.sandbox_fleet import fleet_text
from tests.fleet.shopify import a_fulfilment, a_refund, an_order
from tests.live import Rabbit
from tests.proxy import Proxy, proxy_to
from tests.tryton_erp import TrytonErp, tryton

__all__ = ["tryton"]

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.xdist_group("tryton"), pytest.mark.timeout(600)]


def fleet_toml(url: str, options: dict[str, str | int | float | bool]) -> str:
    told = ", ".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    tables = f"""
[targets.tryton]
adapter = "tryton"
url = "{url}"
secret = "TRYTON"
limit = {{ rate_per_s = 18, burst = 6, concurrency = 3 }}
max_execution_s = 3.0
answer_timeout_s = 20.0
bundle = 2
options = {{ {told} }}

[[routes]]
target = "tryton"
"""
    return fleet_text(tables, ["deliver.tryton"], prepare=1)


@pytest.fixture
def lossy(tryton: TrytonErp) -> Iterator[Proxy]:
    """A line to the ERP on which answers can be lost."""
    place = urlsplit(tryton.url)
    with proxy_to(place.hostname or "", place.port or 0) as proxy:
        yield proxy


@pytest.fixture
def fleet(
    tmp_path: Path, tryton: TrytonErp, lossy: Proxy, rabbit: Rabbit, redis_url: str, postgres_url: str
) -> Iterator[TestFleet]:
    text = fleet_toml(f"{lossy.url}/erp/rest", tryton.options())
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": postgres_url}
    with a_fleet(tmp_path, text, **urls, known_secrets={"TRYTON": tryton.key}) as running:
        products, tax = tryton.ids["products"], tryton.ids["tax"]
        refs = [CrossRef("tryton", "item", "*", sku, str(number)) for sku, number in products.items()]
        running.put_crossrefs([*refs, CrossRef("tryton", "tax", "*", "Sales tax", str(tax))])
        yield running


@pytest.mark.parametrize("lost", [1, 3])
def test_an_order_its_fulfilment_and_its_refund_are_made_once_in_a_real_erp(
    fleet: TestFleet, tryton: TrytonErp, lossy: Proxy, lost: int
) -> None:
    number = 500_000 + lost
    order = an_order(number, quantity=3)

    for topic, payload in (
        ("orders/create", order),
        ("fulfillments/create", a_fulfilment(order)),
        ("refunds/create", a_refund(order)),
    ):
        lossy.begin({lost: "drop_answer_after_commit"}, changes_only=True)
        fleet.shop.send_twice(topic, payload)
        done = len(fleet.rows("select 1 from deliveries where state = 'done'"))
        fleet.wait_for_states({"done": done + 1}, 120)

    [sale] = tryton.sql(f"select id from sale_sale where reference = '#{number}' and origin is null")
    [state] = tryton.sql(f"select state, total_amount_cache from sale_sale where id = {sale}")
    assert state in (f"processing|{order['total_price']}", f"done|{order['total_price']}")
    assert tryton.sql(f"select count(*) from sale_sale where origin = 'sale.sale,{sale}'") == ["1"]
    shipments = (
        "select distinct s.id, s.state from stock_shipment_out s"
        " join stock_move m on m.shipment = 'stock.shipment.out,' || s.id"
        f" join sale_line l on m.origin = 'sale.line,' || l.id where l.sale = {sale}"
    )
    assert [row.split("|")[1] for row in tryton.sql(shipments)] == ["done"]
    credit = (
        "select distinct i.id, i.state, i.total_amount_cache from account_invoice i"
        " join account_invoice_line v on v.invoice = i.id join sale_line l on v.origin = 'sale.line,' || l.id"
        f" join sale_sale r on r.id = l.sale where r.origin = 'sale.sale,{sale}'"
    )
    assert [row.split("|", 1)[1] for row in tryton.sql(credit)] == ["posted|-11.87"]
    assert fleet.rows("select count(*) from attempts where outcome = 'Uncertain'")[0][0] >= 1
    assert fleet.rows("select count(*) from events") == [(3,)]
