"""Every runbook on one running fleet with a broker and two ERPs of its own: the trouble is made, the runbook run and taken back,
and at the end each order is at one ERP once.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from kombu import Connection

import ledger.peaks
from adapters.erps.netsuite.keys import order_key
from ledger.crossrefs import CrossRef
from routing import names
from tests.fleet.running import TestFleet, a_fleet, let_workers_hear
from tests.fleet.sandbox_fleet import LANE, fleet_text, netsuite_target, refs_of
from tests.fleet.shopify import an_order
from tests.live import LiveServices, fresh_database, fresh_redis, wait_until
from tests.workers.command_line import Ended, millrace
from workers.demo.sandbox_client import SandboxClient
from workers.local.service import Service, free_port
from workers.sandbox.judge import ExpectedEffect, judge
from workers.up import start_role

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

LIMITS = ("--rate", "50", "--burst", "10", "--concurrency", "10", "--service-ms", "5")
ROUTE_AND_WAITS = """
[[routes]]
target = "sandbox"

[waits]
first_retry_s = 0.2
longest_retry_s = 0.4
"""


@dataclass(slots=True)
class Field:
    """The fleet, its two ERPs, and somebody at the command line."""

    fleet: TestFleet
    folder: Path
    settings: dict[str, str]
    erp: SandboxClient
    sent: int = 0
    there: dict[str, list[int]] = field(default_factory=lambda: {"sandbox": [], "backup": []})

    def run(self, *words: str, code: int = 0) -> Ended:
        ended = millrace(*words, **self.settings)
        assert ended.code == code, ended
        return ended

    def book(self, name: str, *told: str, why: str = "a drill", code: int = 0) -> Any:
        given = [word for one in told for word in ("--with", one)]
        return self.run("runbook", "run", name, *given, "--why", why, "--by", "anna", "--yes", "--json", code=code).json

    def undo(self, run: Any) -> Any:
        words = ("runbook", "undo", str(run["id"]), "--why", "it is over", "--ramp", "0", "--yes", "--json")
        return self.run(*words).json

    def checks(self, name: str, *told: str) -> bool:
        given = [word for one in told for word in ("--with", one)]
        ended = millrace("runbook", "check", name, *given, "--json", **self.settings)
        return ended.code == 0 and bool(ended.json["ok"])

    def send(self, count: int, at: str = "sandbox", **more: Any) -> list[int]:
        """Send orders that are to be at an ERP in the end."""
        numbers = list(range(self.sent + 1, self.sent + count + 1))
        self.sent += count
        self.there[at] += numbers
        for number in numbers:
            assert self.fleet.shop.send("orders/create", an_order(number, **more)) == 200
        return numbers

    def lane(self, name: str = LANE) -> Any:
        return self.run("lanes", "show", name, "--json").json

    def states(self) -> dict[str, int]:
        return dict(self.fleet.rows("select state, count(*) from deliveries group by state"))

    def heal(self) -> None:
        """End every fault of the first ERP."""
        request = Request(f"{self.fleet.running.urls['sandbox']}/sandbox/faults", method="DELETE")
        with urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def all_done(self) -> None:
        gone = {state: count for state, count in self.states().items() if state == "redirected"}
        self.fleet.wait_for_states({"done": self.sent} | gone, 120)


@pytest.fixture
def field_(
    tmp_path_factory: pytest.TempPathFactory, live_services: LiveServices, redis_server: Service, postgres_server: Service
) -> Iterator[Field]:
    folder, port = tmp_path_factory.mktemp("runbooks"), free_port()
    targets = netsuite_target(more="bundle = 4\nmax_attempts = 2\n") + netsuite_target("backup", port=port, sandbox=False)
    toml = fleet_text(targets + ROUTE_AND_WAITS, [LANE, "deliver.backup"])
    with (
        fresh_redis(redis_server, live_services.next_database()) as redis_url,
        fresh_database(postgres_server) as ledger_url,
        a_fleet(
            folder, toml, broker_url="", redis_url=redis_url, ledger_url=ledger_url, throwaway=True, sandbox_options=LIMITS
        ) as fleet,
    ):
        log = str(fleet.running.folder / "backup-erp.jsonl")
        start_role(fleet.running, "sandbox-backup", ("sandbox", "--port", str(port), "--log", log, *LIMITS))
        wait_until(Path(log).exists, 60, "the other ERP has begun its log")
        for target in ("sandbox", "backup"):
            fleet.put_crossrefs(refs_of(target))
        urls = {"BROKER_URL": fleet.running.settings.broker_url.get_secret_value(), "REDIS_URL": redis_url}
        settings = urls | {"LEDGER_URL": ledger_url, "FLEET_FILE": str(folder / "fleet.toml")}
        settings |= {"SECRET_SANDBOX": (fleet.running.folder / "secrets" / "SANDBOX").read_text().strip()}
        made = Field(fleet, folder, settings, SandboxClient(fleet.running.urls["sandbox"]))
        yield made
        _nothing_is_doubled_and_every_run_is_kept(made)


def test_a_target_that_refuses_is_asked_less_until_it_is_quiet(field_: Field) -> None:
    field_.erp.set_limits(rate_per_s=4, burst=1)
    field_.send(60)
    wait_until(lambda: field_.checks("api-throttling", f"lane={LANE}"), 60, "the refusals are seen")

    run = field_.book("api-throttling", f"lane={LANE}", why="somebody else uses the account")
    limited = field_.lane()["limit"]["rate_per_s"]
    undone = field_.undo(run)

    assert (run["state"], [check["ok"] for check in run["checks"]]) == ("done", [True] * 3)
    assert limited < 5
    assert (undone["state"], field_.lane()["limit"]["rate_per_s"]) == ("undone", 40)
    assert [one["action"] for one in field_.lane()["actions"][:2]] == ["lane.set", "lane.set"]
    assert f"(runbook api-throttling, run {run['id']})" in field_.lane()["actions"][1]["reason"]


def test_a_backlog_lets_what_is_dear_go_first(field_: Field) -> None:
    field_.erp.set_limits(rate_per_s=4, burst=1)
    field_.send(30)
    dear = [f"'order/shopify/{number}'" for number in field_.send(5, quantity=1, price="900.00")]
    states = f"select class, state, count(*) from deliveries where business_key in ({', '.join(dear)}) group by class, state"
    wait_until(lambda: field_.fleet.rows(states) == [("normal", "queued", 5)], 30)

    run = field_.book("queue-backlog", f"lane={LANE}", "promised=0", "value=500")
    wait_until(lambda: field_.fleet.rows(states) == [("high", "done", 5)], 30)
    behind = field_.lane()["waiting"]
    undone = field_.undo(run)
    field_.erp.set_limits(rate_per_s=50, burst=10)
    field_.all_done()

    assert run["state"] == "done", run
    assert [step["kind"] for step in run["steps"]] == ["set", "move"]
    assert behind >= 10
    assert undone["state"] == "undone"
    assert [one["action"] for one in field_.lane()["actions"][:2]] == ["lane.set", "lane.set"]


def test_orders_of_a_target_that_is_down_go_to_another_one_and_back(field_: Field) -> None:
    field_.erp.arm(kind="outage")
    field_.send(8, at="backup")
    wait_until(lambda: field_.checks("failover-routing", "target=sandbox", "to=backup"), 60, "the outage is seen")

    run = field_.book("failover-routing", "target=sandbox", "to=backup", why="the ERP is down")
    field_.send(3, at="backup")
    wait_until(
        lambda: field_.fleet.rows("select count(*) from deliveries where target = 'backup' and state = 'done'") == [(11,)], 60
    )
    held = field_.lane()
    field_.heal()
    undone = field_.undo(run)
    let_workers_hear()
    field_.send(2)
    field_.all_done()

    assert run["state"] == "done", run
    assert (held["state"], held["waiting"]) == ("paused", 0)
    assert "the ERP is down" in held["why"]
    assert undone["state"] == "undone"
    with field_.fleet.ledger.read() as session:
        assert ledger.peaks.in_force(session) is None


def test_what_gave_up_during_an_outage_is_replayed_after_it(field_: Field) -> None:
    field_.erp.arm(kind="outage")
    field_.send(4)
    wait_until(lambda: field_.states().get("parked", 0) == 4, 60, "all have given up")
    looked = field_.run("runbook", "check", "replay-after-outage", "--with", "target=sandbox", "--json", code=4).json
    field_.heal()
    field_.send(6)
    wait_until(lambda: field_.checks("replay-after-outage", "target=sandbox"), 60, "it does not fail any more")

    run = field_.book("replay-after-outage", "target=sandbox", "rate=50", "ramp=1,10")
    field_.all_done()

    assert [check["what"] for check in looked["checks"] if not check["ok"]][-1] == "sandbox does not fail now"
    assert run["state"] == "done", run
    assert field_.undo(run)["steps"][0]["told"].endswith("was over already")


def test_one_order_goes_once_its_cause_is_mended(field_: Field) -> None:
    [number] = field_.send(0) or [field_.sent + 1]
    order = an_order(number)
    order["line_items"][0]["sku"] = "NEW-1"
    field_.sent += 1
    field_.there["sandbox"].append(number)
    assert field_.fleet.shop.send("orders/create", order) == 200
    wait_until(lambda: field_.states().get("parked", 0) == 1, 30)
    early = field_.run("runbook", "run", "order-recovery", "--with", f"order=#{number}", "--why", "x", "--yes", code=4)
    field_.fleet.put_crossrefs([CrossRef("sandbox", "item", "*", "NEW-1", "501")])

    run = field_.book("order-recovery", f"order=#{number}", why="the customer calls")

    assert "was refused" in early.err
    assert run["state"] == "done", run
    assert [check["what"] for check in run["checks"]] == ["all of it is done", "the target gave it a number"]
    assert (
        millrace("runbook", "run", "order-recovery", "--with", "order=#none", "--why", "x", "--yes", **field_.settings).code == 3
    )


def test_a_flood_that_cannot_be_read_waits_behind_and_has_an_owner(field_: Field) -> None:
    for number in range(12):
        assert field_.fleet.shop.send("orders/create", {"id": f"broken-{number}"}) == 200
    garbage(field_)
    wait_until(lambda: field_.checks("poison-flood"), 60, "the flood is parked and filed")
    field_.run("lanes", "pause", "orders", "--why", "so that some wait")
    let_workers_hear()
    field_.send(3)

    run = field_.book("poison-flood", "owner=shop-team", why="a release of the shop")
    waiting = field_.fleet.rows("select class, count(*) from events where state = 'accepted' group by class")
    owned = field_.run("failures", "list", "--owner", "shop-team", "--json").json
    field_.undo(run)
    field_.run("lanes", "resume", "orders", "--why", "seen")
    field_.all_done()

    assert run["state"] == "done", run
    assert waiting == [("low", 3)]
    assert len(owned) == 12
    assert field_.run("failures", "list", "--owner", "shop-team", "--json").json == []


def test_under_a_broker_alarm_nothing_new_is_prepared_deliveries_drain_and_nothing_is_lost(field_: Field) -> None:
    field_.run("lanes", "pause", LANE, "--why", "so that some wait")
    let_workers_hear()
    field_.send(6)
    wait_until(lambda: field_.lane()["waiting"] == 6, 30)
    quiet = field_.run("runbook", "check", "broker-alarm", "--json", code=4).json
    rabbitmqctl(field_, "set_vm_memory_high_watermark", "absolute", "1MB")
    wait_until(lambda: field_.checks("broker-alarm"), 30, "the alarm is seen")
    field_.run("lanes", "resume", LANE, "--why", "let it drain")
    field_.send(4)

    run = field_.book("broker-alarm", why="memory")
    early = field_.run("runbook", "undo", str(run["id"]), "--why", "x", "--yes", code=4)
    rabbitmqctl(field_, "set_vm_memory_high_watermark", "0.6")
    wait_until(lambda: millrace("runbook", "check", "broker-alarm", "--json", **field_.settings).code == 4, 30, "the alarm ends")
    undone = field_.undo(run)
    field_.all_done()

    assert {check["what"]: check["ok"] for check in quiet["checks"]}["the broker takes no messages"] is False
    assert run["state"] == "done", run
    assert "takes messages again" in early.err
    assert undone["state"] == "undone"


def _nothing_is_doubled_and_every_run_is_kept(field_: Field) -> None:
    for target, log in (("sandbox", "sandbox-erp.jsonl"), ("backup", "backup-erp.jsonl")):
        expected = [ExpectedEffect("salesOrder", order_key("shopify", str(n)), "1") for n in field_.there[target]]
        verdict = judge(field_.fleet.running.folder / log, expected)
        assert verdict.doubled == (), (target, verdict)
    runs = field_.run("runbook", "runs", "--json").json
    assert {(run["by"], run["state"]) for run in runs if run["undone_at"]} <= {("anna", "undone")}
    assert field_.run("audit", "verify", "--json").code == 0


def garbage(field_: Field) -> None:
    """Messages that are no tasks, on a work queue."""
    with Connection(field_.settings["BROKER_URL"]) as connection:
        producer = connection.Producer()
        for body in ("not a task", "{}"):
            producer.publish(body, exchange=names.WORK_EXCHANGE, routing_key="orders.normal", content_type="text/plain")


def rabbitmqctl(field_: Field, *words: str) -> None:
    """Tell the fleet's own broker something, in the environment it runs in."""
    [broker] = field_.fleet.running.services
    told = Path(f"/proc/{broker.pid}/environ").read_bytes().split(b"\0")
    environment = dict(pair.decode().split("=", 1) for pair in told if b"=" in pair)
    program = "/usr/lib/rabbitmq/bin/rabbitmqctl"
    kept = {
        name: value
        for name, value in environment.items()
        if name in ("HOME", "PATH", "LC_ALL") or name.startswith(("RABBITMQ_NODE", "ERL_EPMD"))
    }
    done = subprocess.run(
        [program, *words],
        check=False,
        env=kept | {"TMPDIR": os.environ.get("TMPDIR", "/tmp")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
