"""The console on a running fleet: an order shows by itself, is refused, is edited and replayed by clicking only, and is done."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from adapters.erps.netsuite.keys import order_key
from tests.browser import a_tab, chromium, pictured
from tests.console.clicking import reason, see, sign_in, tile
from tests.fleet.running import TestFleet
from tests.fleet.sandbox_fleet import a_sandbox_fleet
from tests.fleet.shopify import an_order
from tests.live import Rabbit
from workers.sandbox.judge import ExpectedEffect, judge
from workers.up import PASSWORD, USER

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

LIVE_MS = 60_000


@pytest.fixture
def fleet(tmp_path: Path, rabbit: Rabbit, redis_url: str, sqlite_url: str) -> Iterator[TestFleet]:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": sqlite_url}
    with a_sandbox_fleet(tmp_path, **urls, console=True) as running:
        yield running


def test_an_order_shows_by_itself_and_a_refused_one_is_mended_by_clicking_only(fleet: TestFleet, tmp_path: Path) -> None:
    password = (fleet.running.folder / "secrets" / PASSWORD).read_text().strip()
    with chromium() as browser, a_tab(browser) as tab, pictured(tab, tmp_path, "console-fleet"):
        page = tab.page
        sign_in(tab, fleet.running.urls["console"], USER, password)
        page.get_by_role("link", name="Overview").click()
        see(tab, "Nothing needs attention")

        assert fleet.shop.send("orders/create", an_order(1)) == 200
        assert fleet.shop.send("orders/create", _of(an_order(2), "OLD-1")) == 200
        expect(tile(tab, "Exceptions for people").locator(".figure")).to_have_text("1", timeout=LIVE_MS)
        expect(tile(tab, "Completed, last 24 h")).to_contain_text("1 of 2", timeout=LIVE_MS)
        expect(tile(tab, "Order to ERP").locator(".figure")).to_contain_text("s")

        page.get_by_role("link", name="Lanes").click()
        lane = page.locator(".lane-card").filter(has_text="deliver.sandbox")
        expect(lane).to_contain_text("Working limit", timeout=LIVE_MS)
        expect(lane).to_contain_text("At once")

        page.get_by_role("link", name="Failure desk").click()
        page.get_by_role("link", name="sandbox has no item for …").click()
        page.get_by_role("link", name=re.compile(r"^d\d+$")).click()
        page.get_by_role("link", name="Edit the document…").click()
        document = page.get_by_label("Document")
        document.fill(document.input_value().replace("OLD-1", "SKU-0001"))
        reason(page.locator("form.editor"), "renamed in the ERP")
        page.get_by_role("button", name="Show the difference…").click()
        page.get_by_role("button", name="Make it, and replay").click()
        expect(page.locator("main")).to_contain_text("Everything that was told is done.", timeout=LIVE_MS)
        assert tab.complaints == []

    verdict = judge(fleet.running.folder / "sandbox-erp.jsonl", _expected())
    assert verdict.clean, verdict


def _of(order: dict[str, Any], sku: str) -> dict[str, Any]:
    return order | {"line_items": [line | {"sku": sku} for line in order["line_items"]]}


def _expected() -> list[ExpectedEffect]:
    """The edited order is posted in its second version."""
    versions = {1: "1", 2: "2"}
    return [ExpectedEffect("salesOrder", order_key("shopify", str(number)), version) for number, version in versions.items()]
