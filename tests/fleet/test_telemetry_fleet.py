"""Told by a running fleet: metrics of receiver and forked processes, and one correlation id from webhook to ERP and back."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from kombu import Connection

from adapters.erps.netsuite.keys import order_key
from tests.docs.pages import ROOT
from tests.fleet.new_operator import NewOperator, notice_of
from tests.fleet.running import TestFleet
from tests.fleet.sandbox_fleet import a_sandbox_fleet
from tests.fleet.shopify import an_order
from tests.live import Rabbit, wait_until
from tests.workers.notify.places import Hook, web_hook
from workers.local.service import free_port

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

LATE = (11, 12, 13)
PROMISE_S = 6
"""An order takes a tenth of it here; on a machine that is busy, some more."""
BURNING = "MillraceServiceLevelBurning"


@pytest.fixture
def fleet(tmp_path: Path, rabbit: Rabbit, redis_url: str, sqlite_url: str) -> Iterator[TestFleet]:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": sqlite_url}
    with a_sandbox_fleet(tmp_path, **urls, sandbox_options=()) as running:
        yield running


def scrape(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def counted(text: str, metric: str) -> float:
    """Sum of a metric over its labels."""
    return sum(float(value) for value in re.findall(rf"^{metric}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE))


def _answered(ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return ask()
    except OSError:
        return None


def test_a_forked_process_is_counted_by_its_worker_and_the_relay_tells_the_scale_signal(fleet: TestFleet) -> None:
    port = free_port()
    fleet.kill("worker-prepare-1")
    fleet.running.environment["MILLRACE_METRICS_PORT"] = str(port)
    fleet.start_again("worker-prepare-1", "worker", "prepare", "--name", "measured")

    for number in range(5):
        fleet.shop.send("orders/create", an_order(number + 1))
    fleet.wait_for_states({"done": 5})
    signal_port = free_port()
    fleet.kill("relay")
    fleet.running.environment["MILLRACE_METRICS_PORT"] = str(signal_port)
    fleet.start_again("relay", "relay")

    def signal() -> dict[str, Any]:
        told: dict[str, Any] = json.loads(scrape(f"http://127.0.0.1:{signal_port}/scale"))
        return told

    told: Any = wait_until(lambda: _answered(signal), 30)
    pools = told["pools"]
    assert set(pools) == {"prepare", "deliver"}
    assert pools["deliver"] == {
        "workers": 0,
        "oldest_s": 0.0,
        "drain_s": 0.0,
        "lanes": {"deliver.sandbox": {"rows": 0, "oldest_s": 0.0, "drain_s": 0.0, "slots": 0, "bound": "idle"}},
    }
    wait_until(lambda: counted(scrape(f"http://127.0.0.1:{port}/metrics"), "millrace_prepared_total") == 5, 20)
    assert counted(scrape(f"{fleet.running.urls['receiver']}/metrics"), "millrace_accepted_total") == 5


def test_the_relay_shows_the_business_tells_people_and_the_pages_lead_from_an_alert_to_the_fixed_order(
    fleet: TestFleet, rabbit: Rabbit
) -> None:
    port = free_port()
    with web_hook() as hook:
        fleet.kill("relay")
        fleet.running.environment |= {
            "MILLRACE_METRICS_PORT": str(port),
            "MILLRACE_NOTIFY_WEBHOOK_URLS": hook.url,
            "MILLRACE_NOTIFY_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "MILLRACE_NOTIFY_GROUP_WAIT_S": "1",
            "MILLRACE_NOTIFY_CLEAR_AFTER_S": "1",
        }
        file = Path(fleet.running.environment["MILLRACE_FLEET_FILE"])
        file.write_text(f"{file.read_text()}\n[service_levels]\norder_creation_s = {PROMISE_S}\n")
        fleet.start_again("relay", "relay")
        fleet.shop.send("orders/create", an_order(1))
        fleet.shop.send("orders/create", an_order(2) | {"currency": "NO-CURRENCY"})
        fleet.wait_for_states({"done": 1})
        with Connection(rabbit.url) as connection:
            connection.Producer().publish(b"no task", exchange="", routing_key="orders.high", content_type="text/plain")
        told = wait_until(lambda: [json.loads(body) for _, _, body in hook.posts], 60, "people are told")
        text = scrape(f"http://127.0.0.1:{port}/metrics")
        _from_the_alert_to_the_fixed_orders(fleet, hook)

    assert [(one["type"], one["data"]["name"], one["data"]["runbook"]) for one in told] == [
        ("alert.firing", "MillraceDeadLetters", "docs/runbooks/poison-flood.md")
    ]
    assert 'millrace_business_backlog{channel="shopify",domain="orders",stage="parked",target=""} 1.0' in text
    assert counted(text, "millrace_posting_latency_samples") == 1
    assert counted(text, "millrace_completion_ratio") > 0
    for readable in ("figures", "backlog", "lanes"):
        assert counted(text, f"millrace_{readable}_readable") == 1


def _from_the_alert_to_the_fixed_orders(fleet: TestFleet, hook: Hook) -> None:
    """By the notice, the pages and what the commands answer alone."""
    for number in LATE:
        order = an_order(number)
        assert fleet.shop.send("orders/create", order | {"line_items": [order["line_items"][0] | {"sku": "NEW-7"}]}) == 200
    notice: Any = wait_until(lambda: notice_of(hook, "alert.firing", BURNING), 60, "late orders are told of")
    (alert,) = notice["alerts"]
    new = NewOperator(fleet, {"3f9c": alert["id"][:4], "1001": str(LATE[0])})

    refused = new.types(f"millrace runbook check {Path(notice['runbook']).stem} --with lane=deliver.sandbox")
    answers = new.follows()
    fleet.wait_for_states({"done": 1 + len(LATE)})
    numbers = count(100)

    def trade_goes_on() -> dict[str, Any] | None:
        """Few at a time, each done before the next come: what is kept now makes up for what was missed."""
        done = fleet.rows("select count(*) from deliveries where state = 'done'")[0][0]
        for number in islice(numbers, 5):
            assert fleet.shop.send("orders/create", an_order(number)) == 200
        fleet.wait_for_states({"done": done + 5})
        return notice_of(hook, "alert.resolved", BURNING)

    over: Any = wait_until(trade_goes_on, 90, "their end is told")

    assert "millrace failures groups" in (ROOT / notice["runbook"]).read_text()
    assert "3 are parked, see millrace failures groups" in refused.err
    assert {line: done for line, done in answers.items() if done.code != 0} == {}
    assert new.known["SKU-1"] == "NEW-7"
    assert "Done" in new.types("millrace documents trace 1001").out
    assert over["alerts"][0]["id"] == alert["id"]
    deeds = new.types("millrace audit list").out
    assert all(f" {deed} " in deeds for deed in ("alert.ack", "crossref.set", "retry", "job"))
    assert " 0 faults" in new.types("millrace audit verify").err


def test_one_correlation_id_leads_from_the_webhook_to_the_erp_document_and_back(fleet: TestFleet) -> None:
    fleet.shop.send("orders/create", an_order(7))
    fleet.wait_for_states({"done": 1})

    ((told,),) = fleet.rows("select correlation_id from events")
    ((carried,),) = fleet.rows("select correlation_id from deliveries")
    token = (fleet.running.folder / "secrets" / "SANDBOX").read_text().strip()
    place = f"{fleet.running.urls['sandbox']}/services/rest/record/v1/salesOrder/eid:{order_key('shopify', '7')}"
    with urlopen(Request(place, headers={"authorization": f"Bearer {token}"}), timeout=10) as answer:
        posted = json.load(answer)

    assert told == carried == posted["custbody_millrace_correlation"]
    for role in ("worker-prepare-1", "worker-deliver-1"):
        assert told in fleet.running.log_of(role).read_text()


def test_no_log_of_any_process_holds_a_customers_data_or_a_secret(fleet: TestFleet) -> None:
    canary: dict[str, Any] = {"email": "canary.person@example.com", "phone": "+1 555 0100 777", "note": "CANARY-NOTE-1"}
    broken = canary | {"currency": "CANARY-CURRENCY", "line_items": [{"id": 1, "sku": "CANARY SKU", "price": "12,50"}]}
    fleet.shop.send("orders/create", an_order(9) | canary)
    fleet.shop.send("orders/create", an_order(8) | broken)
    fleet.wait_for_states({"done": 1})
    wait_until(lambda: fleet.rows("select 1 from events where state = 'parked'"))

    secrets = [path.read_text().strip() for path in (fleet.running.folder / "secrets").iterdir()]
    for log in fleet.running.folder.glob("*.log"):
        text = log.read_text()
        for word in ("canary.person", "555 0100", "CANARY-NOTE", "CANARY-CURRENCY", "Test Buyer", "Test Street", *secrets):
            assert word not in text, f"{word} in {log.name}"
