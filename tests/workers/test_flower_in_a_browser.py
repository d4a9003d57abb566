"""Live: an operator at Flower's own page in a real browser: sees the queues, grows a pool, watches the backlog fall."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium
from tests.live import wait_until
from tests.workers.fetching import ORDERS, Workers
from tests.workers.flower_process import LOGIN, FlowerProcess, flower, workers

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

__all__ = ["flower", "workers"]

QUEUE = f"{ORDERS}.normal"
BACKLOG = 60


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, flower: FlowerProcess) -> Iterator[Page]:
    user, _, password = LOGIN.partition(":")
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{flower.port}",
        http_credentials={"username": user, "password": password},
        viewport={"width": 1400, "height": 900},
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def ready_in(page: Page, queue: str) -> int:
    """Messages ready in a queue, as the broker tab shows them."""
    page.goto("/broker")
    row = page.locator("#queue-table tbody tr").filter(has=page.get_by_role("cell", name=queue, exact=True))
    expect(row).to_have_count(1)
    shown = row.get_by_role("cell").nth(3).inner_text()
    return int(shown) if shown.isdecimal() else -1


def test_a_pool_is_grown_by_its_button_and_the_backlog_falls(
    workers: Workers, flower: FlowerProcess, page: Page, tmp_path: Path
) -> None:
    field = workers.field
    worker = workers.start(concurrency=1, service_s=0.4)
    flower.knows(worker.name)
    for number in range(BACKLOG):
        field.send(QUEUE, [number], argsrepr=f"order/shopify/{1000 + number}")
    wait_until(lambda: ready_in(page, QUEUE) > 30, 20, "a backlog is shown")

    page.goto(f"/worker/{worker.name}")
    page.get_by_label("Pool size", exact=True).fill("7")
    page.get_by_role("button", name="Grow").click()
    expect(page.locator(".toast-body").last).to_contain_text("Growing", timeout=15_000)
    page.locator("#min-autoscale").fill("1")
    page.locator("#max-autoscale").fill("9")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert").last).to_contain_text("pool_grow and pool_shrink", timeout=15_000)
    size = field.ask("stats", worker)["pool"]["max-concurrency"]
    wait_until(lambda: 0 <= ready_in(page, QUEUE) <= 25, 60, "the backlog falls")
    wait_until(lambda: ready_in(page, QUEUE) == 0, 60, "the backlog is gone")

    page.goto("/tasks")
    expect(page.locator("#tasks-table tbody")).to_contain_text(re.compile(r"order/shopify/10\d\d"), timeout=15_000)
    expect(page.locator("#tasks-table tbody")).to_contain_text("deliver")
    page.goto("/workers")
    expect(page.locator("#workers-table tbody")).to_contain_text(worker.name)
    feed = flower.ask("GET", "/metrics").text
    assert size == 8
    assert f'worker="{worker.name}"' in feed
    assert "flower_events_total" in feed
