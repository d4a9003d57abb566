"""What was moved goes first on a running worker, what was moved down goes last, and the ERP has each order once."""

import time
from pathlib import Path

import pytest

from adapters.erps.netsuite.keys import order_key
from ledger.crossrefs import CrossRef
from tests.fleet.running import a_fleet
from tests.fleet.shopify import an_order
from tests.fleet.test_deaths import FLEET
from tests.live import Rabbit, wait_until
from tests.workers.command_line import Ended, millrace
from workers.sandbox.judge import ExpectedEffect, judge

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

LANE = "deliver.sandbox"
ORDERS, UP, DOWN = range(1, 41), range(31, 41), range(1, 11)
ONE_THREAD = FLEET.removesuffix("concurrency = 4\n") + "concurrency = 1\n"


def test_what_was_moved_up_goes_first_and_what_was_moved_down_last_each_once(
    tmp_path: Path, rabbit: Rabbit, redis_url: str, postgres_url: str
) -> None:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": postgres_url}

    def run(*words: str) -> Ended:
        given = {name.upper(): url for name, url in urls.items()}
        ended = millrace(*words, FLEET_FILE=str(tmp_path / "fleet.toml"), **given)
        assert ended.code == 0, ended
        return ended

    def keys(numbers: range) -> list[str]:
        return [word for number in numbers for word in ("--filter", f"key=#{number}")]

    limits = ("--rate", "50", "--burst", "10", "--concurrency", "10", "--service-ms", "20")
    with a_fleet(tmp_path, ONE_THREAD, **urls, sandbox_options=limits) as fleet:
        fleet.put_crossrefs(
            [CrossRef("sandbox", "item", "*", "SKU-0001", "501"), CrossRef("sandbox", "tax", "*", "Sales tax", "7")]
        )
        run("lanes", "pause", LANE, "--why", "look first")
        run("weights", "set", LANE, "--strict")
        heard_at = time.monotonic() + 2
        wait_until(lambda: time.monotonic() > heard_at, 3, "the two seconds within which workers act")
        for number in ORDERS:
            assert fleet.shop.send("orders/create", an_order(number)) == 200
        fleet.wait_for_states({"queued": len(ORDERS)})

        up = run("reprioritize", *keys(UP), "--class", "high", "--why", "promised today", "--yes", "--json").json
        down = run("reprioritize", *keys(DOWN), "--class", "low", "--why", "can wait", "--yes", "--json").json
        back = run("reprioritize", *keys(DOWN), "--class", "high", "--why", "a slip", "--yes", "--json").json
        undone = run("reprioritize", "undo", str(back["move"]), "--why", "a slip", "--json").json
        run("lanes", "resume", LANE, "--why", "seen")
        fleet.wait_for_states({"done": len(ORDERS)}, 120)
        wait_until(lambda: run("lanes", "show", LANE, "--json").json["by_class"] == [], 30, "no message is left")

        tried = fleet.rows(
            "select d.business_key from attempts a join deliveries d on d.id = a.delivery_id order by a.started_at, a.id"
        )
        went = [int(str(key).rpartition("/")[2]) for (key,) in tried]
        expected = [ExpectedEffect("salesOrder", order_key("shopify", str(number)), "1") for number in ORDERS]
        verdict = judge(fleet.running.folder / "sandbox-erp.jsonl", expected)

    assert (up["moved"], down["moved"], back["moved"], undone["back"]) == (10, 10, 10, 10)
    assert len(went) == len(ORDERS)
    assert set(went[:10]) == set(UP)
    assert set(went[-10:]) == set(DOWN)
    assert verdict.clean, verdict
