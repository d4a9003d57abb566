"""Processes of a running fleet are killed in the middle of a sale: the ERP's own log shows each order once, none lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.erps.netsuite.keys import order_key
from tests.fleet.running import TestFleet
from tests.fleet.sandbox_fleet import a_sandbox_fleet
from tests.fleet.shopify import an_order
from tests.live import Rabbit, wait_until
from workers.sandbox.judge import ExpectedEffect, judge

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

ORDERS = 120


@pytest.fixture
def fleet(tmp_path: Path, rabbit: Rabbit, redis_url: str, ledger_url: str) -> Iterator[TestFleet]:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": ledger_url}
    with a_sandbox_fleet(tmp_path, **urls) as running:
        yield running


def sell(fleet: TestFleet) -> list[ExpectedEffect]:
    """Send the orders; what the ERP must show for them at the end."""
    expected = []
    for number in range(1, ORDERS + 1):
        assert fleet.shop.send("orders/create", an_order(number)) == 200
        expected.append(ExpectedEffect("salesOrder", order_key("shopify", str(number)), "1"))
    return expected


def wait_for_some(fleet: TestFleet, most: int) -> None:
    """Until the sale is well under way and far from over."""
    wait_until(lambda: fleet.rows("select count(*) from deliveries where state = 'done'")[0][0] > most, 60)


def check(fleet: TestFleet, expected: list[ExpectedEffect]) -> None:
    fleet.wait_for_states({"done": ORDERS}, 150)
    verdict = judge(fleet.running.folder / "sandbox-erp.jsonl", expected)
    assert verdict.clean, verdict


def test_a_delivering_worker_killed_in_the_middle_loses_and_doubles_nothing(fleet: TestFleet) -> None:
    expected = sell(fleet)
    wait_for_some(fleet, 5)

    fleet.kill("worker-deliver-1")
    fleet.start_again("worker-deliver-1", "worker", "deliver", "--name", "deliver-again")

    check(fleet, expected)


def test_preparing_processes_and_the_relay_killed_in_the_middle_lose_and_double_nothing(fleet: TestFleet) -> None:
    expected = sell(fleet)

    fleet.kill("worker-prepare-1")
    fleet.kill("relay")
    fleet.start_again("worker-prepare-1", "worker", "prepare", "--name", "prepare-again")
    fleet.start_again("relay", "relay")

    check(fleet, expected)


def test_a_receiver_killed_while_it_answers_keeps_every_event_that_it_answered(fleet: TestFleet) -> None:
    for number in range(1, ORDERS // 2):
        assert fleet.shop.send("orders/create", an_order(number)) == 200
    fleet.kill("receiver")

    assert fleet.rows("select count(*) from events") == [(ORDERS // 2 - 1,)]
    fleet.start_again("receiver", "receiver")
    expected = sell(fleet)
    check(fleet, expected)
