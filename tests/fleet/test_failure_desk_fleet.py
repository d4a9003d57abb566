"""The failure desk on a running fleet: a group edited by rule, replayed at a ramp, is at the ERP once each, and in the chain."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from adapters.erps.netsuite.keys import order_key
from tests.fleet.running import TestFleet
from tests.fleet.sandbox_fleet import a_sandbox_fleet
from tests.fleet.shopify import an_order
from tests.live import Rabbit, wait_until
from tests.workers.command_line import Ended
from workers.sandbox.judge import ExpectedEffect, judge

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

WRONG, RIGHT = 14, 6


@pytest.fixture
def urls(rabbit: Rabbit, redis_url: str, sqlite_url: str) -> dict[str, str]:
    return {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": sqlite_url}


@pytest.fixture
def fleet(tmp_path: Path, urls: dict[str, str]) -> Iterator[TestFleet]:
    with a_sandbox_fleet(tmp_path, **urls, console=True) as running:
        yield running


def test_a_parked_group_edited_and_replayed_at_a_ramp_is_at_the_erp_once_each(
    fleet: TestFleet, urls: dict[str, str], tmp_path: Path
) -> None:
    secrets = fleet.running.folder / "secrets"

    def run(*words: str) -> Ended:
        return fleet.command(*words, AUDIT_KEY=(secrets / "AUDIT_KEY").read_text())

    def standing() -> str:
        state: str = run("jobs", "show", job, "--json").json["state"]
        return state

    for number in range(1, WRONG + 1):
        assert fleet.shop.send("orders/create", _of(an_order(number), "OLD-1")) == 200
    fleet.wait_for_states({"parked": WRONG})
    [group] = run("failures", "groups", "--json").json
    words = ("failures", "patch", "--group", group["group"], "--set", "lines[sku=OLD-1].sku=SKU-0001", "--why", "renamed")
    job = str(run(*words, "--ramp", "1,4,100", "--rate", "20", "--yes", "--json").json["job"])
    again = str(run("failures", "retry", "--all", "--yes", "--json").json["job"])
    for number in range(WRONG + 1, WRONG + RIGHT + 1):
        assert fleet.shop.send("orders/create", an_order(number)) == 200

    wait_until(lambda: standing() == "done", 120)
    fleet.wait_for_states({"done": WRONG + RIGHT}, 60)
    steered = run("jobs", "stop", again)

    verdict = judge(fleet.running.folder / "sandbox-erp.jsonl", _expected())
    assert (group["count"], group["code"]) == (WRONG, "crossref.missing")
    assert verdict.clean, verdict
    assert fleet.rows("select distinct rung from job_items where state = 'done' order by rung") == [(0,), (1,), (2,)]
    assert fleet.rows("select count(*) from edits") == [(WRONG,)]
    assert run("failures", "list", "--json").json == []
    assert steered.code in (0, 4)
    assert "console.sign_in" in _shows_the_chain(fleet.running.urls["console"], (secrets / "CONSOLE_PASSWORD").read_text())
    verified = run("audit", "verify", "--json").json
    assert (verified["whole"], verified["unsealed"], verified["checked_seals"]) == (True, 0, verified["links"])
    assert verified["links"] > WRONG


def _shows_the_chain(url: str, password: str) -> str:
    """The audit page of the fleet's console, for its made-up user."""
    browser = build_opener(HTTPCookieProcessor())
    token = re.search(r'name="csrf" value="(\w+)"', browser.open(f"{url}/sign-in", timeout=20).read().decode())
    assert token
    form = {"name": "admin", "password": password, "next": "/audit", "csrf": token[1]}
    page: bytes = browser.open(f"{url}/sign-in", urlencode(form).encode(), timeout=20).read()
    return page.decode()


def _of(order: dict[str, Any], sku: str) -> dict[str, Any]:
    return order | {"line_items": [line | {"sku": sku} for line in order["line_items"]]}


def _expected() -> list[ExpectedEffect]:
    """Edited orders are posted in their second version, the others in their first."""
    versions = {number: "2" if number <= WRONG else "1" for number in range(1, WRONG + RIGHT + 1)}
    return [ExpectedEffect("salesOrder", order_key("shopify", str(number)), version) for number, version in versions.items()]
