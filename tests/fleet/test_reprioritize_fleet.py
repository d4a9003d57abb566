"""What was moved goes first on a running worker, what was moved down goes last, and the ERP has each order once."""

from pathlib import Path

import pytest

from adapters.erps.netsuite.keys import order_key
from tests.fleet.running import let_workers_hear
from tests.fleet.sandbox_fleet import LANE, a_sandbox_fleet, sandbox_text
from tests.fleet.shopify import an_order
from tests.live import Rabbit, wait_until
from workers.sandbox.judge import ExpectedEffect, judge

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

ORDERS, UP, DOWN = range(1, 41), range(31, 41), range(1, 11)


def test_what_was_moved_up_goes_first_and_what_was_moved_down_last_each_once(
    tmp_path: Path, rabbit: Rabbit, redis_url: str, postgres_url: str
) -> None:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": postgres_url}

    def keys(numbers: range) -> list[str]:
        return [word for number in numbers for word in ("--filter", f"key=#{number}")]

    with a_sandbox_fleet(tmp_path, sandbox_text(deliver=1), **urls) as fleet:
        run = fleet.command
        run("lanes", "pause", LANE, "--why", "look first")
        run("weights", "set", LANE, "--strict")
        let_workers_hear()
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
