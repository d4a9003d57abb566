"""The whole way to Business Central and to Dataverse: webhooks become each document once, though a batch's answer is lost."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.crossrefs import CrossRef
from tests.adapters.erps.business_central import company
from tests.adapters.erps.dataverse import fixtures as environment
from tests.adapters.erps.netsuite.account import TOKEN, RunningSandbox
from tests.fleet.running import TestFleet, a_fleet
from tests.fleet.sandbox_fleet import fleet_text
from tests.fleet.shopify import a_fulfilment, a_refund, an_order
from tests.live import Rabbit
from workers.sandbox.dataverse.service import PRODUCTS
from workers.sandbox.journal import entries

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

ORDERS = 24


def fleet_toml(bc_url: str, dv_url: str) -> str:
    bc, dv = (
        ", ".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
        for options in (company.OPTIONS, environment.OPTIONS)
    )
    common = "max_execution_s = 1.0\nanswer_timeout_s = 5.0\nposting_time_s = 10.0"
    tables = f"""
[targets.bc]
adapter = "business-central"
url = "{bc_url}"
secret = "BC"
{common}
limit = {{ preset = "business-central" }}
options = {{ {bc} }}

[targets.dv]
adapter = "dataverse"
url = "{dv_url}"
secret = "DV"
{common}
limit = {{ preset = "dataverse" }}
options = {{ {dv} }}

[[routes]]
target = "bc"

[[routes]]
target = "dv"
kinds = ["order"]
"""
    return fleet_text(tables, ["deliver.bc", "deliver.dv"], prepare=1)


@dataclass
class Dynamics:
    """A fleet with both targets before it."""

    fleet: TestFleet
    bc: RunningSandbox
    dv: RunningSandbox


@pytest.fixture
def dynamics(tmp_path: Path, rabbit: Rabbit, redis_url: str, postgres_url: str) -> Iterator[Dynamics]:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": postgres_url}
    folders = tmp_path / "bc", tmp_path / "dv"
    with company.running_service("business-central", folders[0]) as bc, company.running_service("dataverse", folders[1]) as dv:
        secrets = {"BC": TOKEN, "DV": TOKEN}
        with a_fleet(tmp_path, fleet_toml(bc.url, dv.url), **urls, known_secrets=secrets) as running:
            items = {"bc": "70001", "dv": PRODUCTS[0]}
            running.put_crossrefs([CrossRef(target, "item", "*", "SKU-0001", item) for target, item in items.items()])
            yield Dynamics(running, bc, dv)


def made(sandbox: RunningSandbox, record: str) -> Counter[str]:
    """How often each key stands in the log as made."""
    return Counter(str(entry.external_id) for entry in entries(sandbox.log_path) if entry.committed and entry.record == record)


def test_orders_go_to_both_in_batches_and_each_stands_once_though_an_answer_is_lost(dynamics: Dynamics) -> None:
    fleet = dynamics.fleet
    orders = [an_order(number) for number in range(1, ORDERS + 1)]
    for sandbox in (dynamics.bc, dynamics.dv):
        sandbox.control("POST", "faults", [{"kind": "lost_answer", "operation": "batch.write", "next": 1}])
    # Webhooks that come together share a commit, a message, and so a batch.
    with ThreadPoolExecutor(ORDERS) as together:
        list(together.map(lambda order: fleet.shop.send_twice("orders/create", order), orders))
    fleet.wait_for_states({"done": 2 * ORDERS}, 120)

    fleet.shop.send_twice("fulfillments/create", a_fulfilment(orders[0]))
    fleet.wait_for_states({"done": 2 * ORDERS + 1}, 60)
    fleet.shop.send_twice("refunds/create", a_refund(orders[0]))
    fleet.wait_for_states({"done": 2 * ORDERS + 2}, 60)

    for sandbox, record in ((dynamics.bc, "salesOrders"), (dynamics.dv, "salesorders")):
        standing = made(sandbox, record)
        assert len(standing) == ORDERS
        # Shipping an order writes to it again: only the first one was shipped.
        assert sorted(standing.values())[:-1] == [1] * (ORDERS - 1)
        stats = sandbox.control("GET", "stats")
        assert stats["by_operation"]["batch.write"] >= 1, stats
        assert stats["faults"] == {"lost_answer": 1}
    assert len(made(dynamics.bc, "salesShipments")) == 1
    assert len(made(dynamics.bc, "salesCreditMemos")) == 1
    assert fleet.rows("select count(*) from attempts where outcome = 'Uncertain'")[0][0] >= 2
    assert fleet.rows("select count(*) from events") == [(ORDERS + 2,)]
