"""Black Friday small: ten times the normal rate, the ERP throttled, down and back, a flood of poison, a profile applied and taken
back, a group edited and replayed at a ramp. At the end nothing is lost or doubled, nobody waited too long, the chain verifies.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kombu import Connection, Producer

from adapters.erps.netsuite.keys import order_key
from routing import names
from tests.adapters.erps.netsuite.account import RunningSandbox
from tests.fleet.running import TestFleet
from tests.fleet.sandbox_fleet import BY_SHIPPING, a_sandbox_fleet, netsuite_target, sandbox_text
from tests.fleet.shopify import an_order
from tests.live import Rabbit, wait_until
from tests.workers.command_line import Ended
from workers.sandbox.journal import entries
from workers.sandbox.judge import ExpectedEffect, judge

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(600)]

NORMAL_PER_S, PEAK_PER_S = 2.0, 20.0
NORMAL_S, PEAK_S = 6.0, 60.0
POISON, UNREADABLE = 40, 15
AGED_AFTER_S = 20.0
EXPRESS_MOST_S = 8.0
"""The 99th percentile, webhook to the ERP's acceptance, while the ERP works: seconds are the machine's, not the lane's."""

WAITS = "max_execution_s = 1.0\nanswer_timeout_s = 2.0\nposting_time_s = 5.0"
LIMIT = "{ rate_per_s = 40, burst = 8, concurrency = 8 }"

PROFILE = f"""
summary = "Orders first"
lasts_s = 3600

[lanes."deliver.sandbox"]
weights = {{ high = 32, normal = 8, low = 1, aged_after_s = {AGED_AFTER_S} }}

[pools.deliver]
concurrency = 12
"""


@dataclass
class Day:
    """The shop, the ERP's switches and the operator of one fleet."""

    fleet: TestFleet
    erp: RunningSandbox
    folder: Path
    sent_at: dict[int, float] = field(default_factory=dict)
    wrong: set[int] = field(default_factory=set)

    def run(self, *words: str) -> Ended:
        return self.fleet.command(*words, PEAKS_FOLDER=str(self.folder / "peaks"))

    def sell(self, number: int) -> None:
        """One order, once; every tenth express, every tenth by economy, those of the flood of an article that nobody knows."""
        order = an_order(number, express=method_of(number) == "express")
        if method_of(number) == "economy":
            order["shipping_lines"][0]["title"] = "Economy"
        if number in self.wrong:
            order["line_items"][0]["sku"] = "GONE-1"
        assert self.fleet.shop.send("orders/create", order) == 200
        self.sent_at[number] = time.time()

    def sell_at(self, numbers: Sequence[int], per_s: float) -> threading.Thread:
        """A crowd that comes at its own pace, whatever the shop answers."""

        def crowd() -> None:
            began = time.monotonic()
            pause = threading.Event()
            with ThreadPoolExecutor(12) as buyers:
                for n, number in enumerate(numbers):
                    pause.wait(max(0.0, began + n / per_s - time.monotonic()))
                    buyers.submit(self.sell, number)

        thread = threading.Thread(target=crowd)
        thread.start()
        return thread

    def posted_at(self) -> dict[int, float]:
        """When the ERP had taken each order."""
        told = entries(self.fleet.running.folder / "sandbox-erp.jsonl")
        keys = {order_key("shopify", str(number)): number for number in self.sent_at}
        return {
            keys[entry.external_id]: entry.at.timestamp() + entry.took_ms / 1000
            for entry in told
            if entry.committed and entry.external_id in keys
        }


def method_of(number: int) -> str:
    return {3: "express", 7: "economy"}.get(number % 10, "standard")


@pytest.fixture
def day(tmp_path: Path, rabbit: Rabbit, redis_url: str, postgres_url: str) -> Iterator[Day]:
    (tmp_path / "peaks").mkdir()
    (tmp_path / "peaks" / "small-friday.toml").write_text(PROFILE)
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": postgres_url}
    text = sandbox_text(netsuite_target(waits=WAITS, limit=LIMIT), BY_SHIPPING, deliver=8)
    with a_sandbox_fleet(tmp_path, text, **urls) as running:
        yield Day(running, RunningSandbox(running.running.urls["sandbox"], tmp_path), tmp_path)


def test_a_small_black_friday_loses_nothing_doubles_nothing_and_keeps_its_bounds(day: Day, rabbit: Rabbit) -> None:
    normal = range(1, int(NORMAL_PER_S * NORMAL_S) + 1)
    peak = range(normal[-1] + 1, normal[-1] + 1 + int(PEAK_PER_S * PEAK_S))
    day.wrong = {number for number in peak if number % 10 == 5}
    day.wrong = set(sorted(day.wrong)[-POISON:])
    day.sell_at(normal, NORMAL_PER_S).join()

    crowd = day.sell_at(peak, PEAK_PER_S)
    day.run("peak", "apply", "small-friday", "--why", "the doors are open", "--yes")
    day.erp.control("PATCH", "limits", {"rate_per_s": 12.0, "burst": 3})
    _wait_s(12)
    day.erp.control("PATCH", "limits", {"rate_per_s": 50.0, "burst": 10})
    down_at = time.time()
    day.erp.control("POST", "faults", {"kind": "outage", "retry_after_s": 1})
    _wait_s(8)
    day.erp.control("DELETE", "faults")
    up_at = time.time()
    _flood(rabbit, UNREADABLE)
    crowd.join()
    day.run("peak", "revert", "--why", "the rush is over", "--yes")
    right = len(day.sent_at) - POISON
    day.fleet.wait_for_states({"done": right, "parked": POISON}, 180)

    [group] = [one for one in day.run("failures", "groups", "--by", "cause", "--json").json if one["code"] == "crossref.missing"]
    words = ("failures", "patch", "--group", group["group"], "--set", "lines[sku=GONE-1].sku=SKU-0001", "--why", "renamed")
    job = str(day.run(*words, "--ramp", "1,5,100", "--rate", "20", "--yes", "--json").json["job"])
    wait_until(lambda: day.run("jobs", "show", job, "--json").json["state"] == "done", 120)
    day.fleet.wait_for_states({"done": len(day.sent_at)}, 60)

    assert group["count"] == POISON
    _check_effects(day)
    _check_waits(day, down_at, up_at)
    _check_record(day)


def _check_effects(day: Day) -> None:
    """By the ERP's own log: every order once; those that were edited in their second version."""
    versions = {number: "2" if number in day.wrong else "1" for number in day.sent_at}
    wanted = [ExpectedEffect("salesOrder", order_key("shopify", str(number)), version) for number, version in versions.items()]
    verdict = judge(day.fleet.running.folder / "sandbox-erp.jsonl", wanted)
    stats = day.erp.control("GET", "stats")
    assert verdict.clean, verdict
    assert day.fleet.rows("select count(*) from events") == [(len(day.sent_at),)]
    # While the ERP had taken three quarters of the allowance away without a word, some had to be refused to be noticed.
    assert stats["throttled"] < 0.1 * stats["requests"], stats
    # Dead letters are filed by the recorder, which waits for nobody's deliveries.
    wait_until(lambda: len(day.run("failures", "list", "--json").json) >= UNREADABLE, 60, "the dead letters are filed")
    left = day.run("failures", "list", "--json").json
    assert [one["key"][0] for one in left] == ["m"] * UNREADABLE


def _check_waits(day: Day, down_at: float, up_at: float) -> None:
    posted = day.posted_at()
    waits = {number: posted[number] - at for number, at in day.sent_at.items() if number not in day.wrong}
    # What was sold while the ERP was down waits for it, and a while for the breaker's next probe.
    touched = {number for number, at in day.sent_at.items() if down_at - 3 < at < up_at + 5}
    express = sorted(wait for number, wait in waits.items() if method_of(number) == "express" and number not in touched)
    economy = [wait for number, wait in waits.items() if method_of(number) == "economy"]
    p99 = express[min(len(express) - 1, int(0.99 * len(express)))]
    oldest = max(economy)
    told = f"express p99 {p99:.2f} s of {len(express)}, oldest economy {oldest:.1f} s, all {max(waits.values()):.1f} s"
    assert p99 < EXPRESS_MOST_S, told
    # Ageing gives it every second turn from then on, and the ERP was away for a while.
    assert oldest < AGED_AFTER_S + (up_at - down_at) + 60, told


def _check_record(day: Day) -> None:
    deeds = {one["action"] for one in day.run("audit", "list", "--json").json}
    history = day.run("peak", "history", "--json").json
    day.run("audit", "verify")
    assert {"peak.apply", "peak.revert", "job"} <= deeds
    assert [(one["action"], one["before_name"], one["name"]) for one in history] == [
        ("revert", "small-friday", None),
        ("apply", None, "small-friday"),
    ]


def _flood(rabbit: Rabbit, count: int) -> None:
    """Messages that no worker can read, into a queue of work."""
    with Connection(rabbit.url, transport_options={"confirm_publish": True}) as connection:
        producer = Producer(connection.channel())
        for number in range(count):
            producer.publish(
                b"{not a task" if number % 2 else b"[]", exchange=names.WORK_EXCHANGE, routing_key="orders.normal",
                content_type="application/json", content_encoding="utf-8",
            )  # fmt: skip


def _wait_s(seconds: float) -> None:
    """Let the day go on."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, seconds + 60)
