"""A peak profile of a running fleet: applied and taken back on a standing backlog, the ERP's own log shows the order change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.running import TestFleet
from tests.fleet.sandbox_fleet import LANE, a_sandbox_fleet
from tests.fleet.shopify import a_refund, an_order
from tests.live import Rabbit, wait_until
from tests.workers.command_line import Ended
from workers.sandbox.journal import Entry

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

RATE = 6
PLAIN, DEAR, DEAR_LATER = range(1, 61), range(71, 79), range(81, 87)
PROFILE = """
summary = "Dear orders first, returns at night"

[lanes."{lane}"]
weights = {{ high = 64, normal = 4, low = 1 }}

[[classes]]
class = "high"
kinds = ["order"]
total_at_least = 100

[pools.deliver]
concurrency = 6
processes = 2

[[defer]]
kinds = ["return"]
quiet_from = "{quiet_from}"
quiet_to = "{quiet_to}"

[[guards]]
metric = "oldest_age_s"
lane = "{lane}"
above = 3600
"""


class Operator:
    """Somebody at the command line of the fleet, who looks into the ERP's log."""

    def __init__(self, fleet: TestFleet, folder: Path) -> None:
        self.fleet = fleet
        peaks = folder / "peaks"
        peaks.mkdir()
        quiet = datetime.now(UTC) + timedelta(hours=3)
        hours = {"quiet_from": f"{quiet:%H:%M}", "quiet_to": f"{quiet + timedelta(hours=1):%H:%M}"}
        (peaks / "dear-first.toml").write_text(PROFILE.format(lane=LANE, **hours), encoding="utf-8")
        self._peaks = str(peaks)

    def run(self, *words: str) -> Ended:
        return self.fleet.command(*words, PEAKS_FOLDER=self._peaks)

    def status(self) -> Any:
        return self.run("peak", "status", "--json").json

    def send(self, numbers: range, **more: Any) -> None:
        for number in numbers:
            assert self.fleet.shop.send("orders/create", an_order(number, **more)) == 200

    def waits(self) -> dict[str, int]:
        """Order creations that wait, by class."""
        waiting = "select class, count(*) from deliveries where state in ('ready', 'queued', 'retrying') group by class"
        return dict(self.fleet.rows(waiting))

    def posted(self) -> list[Entry]:
        """What the ERP took, in its order."""
        lines = (self.fleet.running.folder / "sandbox-erp.jsonl").read_text().splitlines()
        return [entry for line in lines if (entry := Entry.model_validate_json(line)).committed and entry.record == "salesOrder"]


def numbers_of(entries: list[Entry]) -> list[int]:
    return [int(str(entry.external_id).rpartition("_")[2]) for entry in entries]


@pytest.fixture
def operator(tmp_path: Path, rabbit: Rabbit, redis_url: str, postgres_url: str) -> Iterator[Operator]:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": postgres_url}
    with a_sandbox_fleet(tmp_path, **urls) as running:
        yield Operator(running, tmp_path)


def test_a_profile_acts_on_the_standing_backlog_of_running_workers_and_so_does_its_end(operator: Operator) -> None:
    fleet = operator.fleet
    operator.run("lanes", "set", LANE, "--rate", str(RATE), "--burst", "1", "--why", "a slow ERP", "--yes")
    operator.run("lanes", "pause", LANE, "--why", "to have a backlog")
    operator.send(PLAIN)
    operator.send(DEAR, price="99.00")
    # A pause acts within two seconds: until then the first plain ones pass.
    sent = len(PLAIN) + len(DEAR)
    wait_until(lambda: sum(operator.waits().values()) + len(operator.posted()) >= sent, 60, "a backlog stands")
    seen = operator.run("peak", "plan", "dear-first", "--json").json
    operator.run("lanes", "resume", LANE, "--why", "there it is")
    stood = len(operator.posted())
    wait_until(lambda: len(operator.posted()) >= stood + 4, 60, "the lane runs")

    operator.run("peak", "apply", "dear-first", "--why", "the sale", "--yes", "--by", "ann")
    (applied,) = operator.run("peak", "history", "--json").json
    wait_until(lambda: operator.status()["last_change"]["backlog_settled"], 60, "the backlog is put under it")
    wait_until(lambda: set(DEAR) <= set(numbers_of(operator.posted())), 60, "the dear ones are posted")
    under = operator.status()
    fleet.kill("relay")
    fleet.start_again("relay", "relay")

    operator.send(DEAR_LATER, price="99.00")
    first = an_order(PLAIN[0])
    assert fleet.shop.send("refunds/create", a_refund(first)) == 200
    wait_until(lambda: operator.status()["resting"], 60, "the return rests")
    resting = operator.status()["resting"]
    operator.run("peak", "revert", "--why", "sold out", "--yes", "--by", "ann")
    wait_until(lambda: operator.status()["last_change"]["backlog_settled"], 60, "the backlog is put back")
    fleet.wait_for_states({"done": len(PLAIN) + len(DEAR) + len(DEAR_LATER) + 1}, 150)

    since = datetime.fromisoformat(applied["at"])
    before = numbers_of([entry for entry in operator.posted() if entry.at <= since])
    after = numbers_of([entry for entry in operator.posted() if entry.at > since])
    overtaken = after[: max(after.index(number) for number in DEAR)]
    assert [move["after"] for move in seen["moves"]] == ["high"]
    assert seen["moves"][0]["rows"] == len(DEAR)
    assert {wait["cls"] for wait in seen["waits"]} == {"high", "normal"}
    assert not set(DEAR) & set(before)
    # Before the last dear one only what two seconds (three on a busy machine) and the parts under way let through; all the others
    # come after it, which would otherwise all come before.
    assert sum(number in PLAIN for number in overtaken) <= 3 * RATE + 4
    assert sum(number in PLAIN for number in after) - sum(number in PLAIN for number in overtaken) >= 8
    assert [pool["size"] for pool in under["pools"]["workers"].values()] == [6]
    assert under["pools"]["missing"] == ["pool deliver: 1 workers run, the profile counts on 2: start the others"]
    assert (under["in_force"]["name"], under["in_force"]["by"], under["kept"]) == ("dear-first", "ann", True)
    assert [(rest["domain"], rest["count"]) for rest in resting] == [("returns", 1)]
    assert sorted(numbers_of(operator.posted())) == sorted([*PLAIN, *DEAR, *DEAR_LATER])
    wait_until(
        lambda: [w["size"] for w in operator.status()["pools"]["workers"].values()] == [4], 30, "the pool has its own size"
    )
    assert [(one["action"], one["by"]) for one in operator.run("peak", "history", "--json").json] == [
        ("revert", "ann"),
        ("apply", "ann"),
    ]
