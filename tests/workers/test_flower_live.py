"""Live: Flower shows and steers real workers on a real broker, for those who have the login, inside the topology."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.live import Rabbit, wait_until
from tests.workers.command_line import millrace
from tests.workers.fetching import LANE, ORDERS, Workers
from tests.workers.flower_process import LOGIN, FlowerProcess, flower, flower_on, workers

__all__ = ["flower", "workers"]

QUEUE = f"{ORDERS}.normal"
NOBODY = "amqp://nobody:canary-broker@127.0.0.1:1/"


def test_nobody_sees_or_does_anything_without_the_login(flower: FlowerProcess) -> None:
    pages = ("/", "/workers", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks", "/api/queues/length", "/nowhere")
    wrong = (None, "operator:wrong", "operator", ":", "operator:müßig", "")

    told = {flower.ask("GET", page, login=login).status for page in pages for login in wrong}
    done = flower.ask("POST", "/api/worker/shutdown/any", login=None)

    assert told == {401}
    assert (done.status, done.text) == (401, "login required\n")
    assert [flower.ask("GET", page).status for page in pages] == [200] * 8 + [404]
    assert flower.ask("GET", "/healthcheck", login=None).status == 200


def _empty(told: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Names of the queues that are shown without a message."""
    return {one["name"] for one in told["active_queues"] if one.get("messages") == 0} & {QUEUE}


def test_workers_their_queues_and_tasks_are_shown(workers: Workers, flower: FlowerProcess) -> None:
    field, worker = workers.field, workers.start()
    workers.start(pool="prefork", families=["orders"])

    def shown() -> list[dict[str, str]]:
        """A worker tells its tasks once Flower has asked for it: of one that runs just then, only the end."""
        field.send(QUEUE, [11], argsrepr="order/shopify/1001")
        return [t for t in flower.get("/api/tasks").values() if t["state"] == "SUCCESS" and t["name"]]

    known = flower.knows(worker.name)
    tasks = wait_until(shown, 20, "tasks shown")
    lengths = wait_until(lambda: _empty(flower.get("/api/queues/length")), 20, "the queue shown empty")
    page = flower.ask("GET", "/broker").text
    feed = flower.ask("GET", "/metrics").text

    assert known["stats"]["pool"]["max-concurrency"] == 2
    assert {one["name"] for one in known["active_queues"]} == {q for q in field.topology.work_queues if q.startswith(f"{LANE}.")}
    assert {(t["name"], t["args"]) for t in tasks} == {("deliver", "order/shopify/1001")}
    assert QUEUE in lengths
    assert QUEUE in page
    assert f'flower_worker_online{{worker="{worker.name}"}} 1.0' in feed
    assert re.search(
        rf'^flower_events_total{{task="deliver",type="task-succeeded",worker="{worker.name}"}} [1-9]', feed, re.MULTILINE
    )
    assert "flower_task_runtime_seconds_bucket" in feed
    assert "flower_worker_number_of_currently_executing_tasks" in feed


def test_growing_and_shrinking_change_the_pool_and_what_is_fetched(workers: Workers, flower: FlowerProcess) -> None:
    field = workers.field
    field.send(QUEUE, [3_003_000 + n for n in range(40)])
    worker = workers.start(concurrency=2)
    flower.knows(worker.name)
    before = field.ask("stats", worker)["prefetch_count"]

    grown = flower.post(f"/api/worker/pool/grow/{worker.name}?n=6")
    wait_until(lambda: len(field.ask("active", worker)) == 8, 15, "eight run")
    fetched = field.ask("stats", worker)["prefetch_count"]
    shrunk = flower.post(f"/api/worker/pool/shrink/{worker.name}?n=7")
    wait_until(lambda: len(field.ask("active", worker)) <= 1, 15, "one runs")
    refused = flower.post(f"/api/worker/pool/shrink/{worker.name}?n=1")

    assert (grown.status, shrunk.status) == (200, 200)
    assert fetched > before
    assert field.ask("stats", worker)["prefetch_count"] < fetched
    assert refused.status == 403
    assert "at least 1 must stay" in refused.text


def test_only_queues_of_the_topology_are_consumed_and_only_the_ledger_makes_tasks(
    workers: Workers, flower: FlowerProcess
) -> None:
    field, worker = workers.field, workers.start()
    flower.knows(worker.name)

    foreign = flower.post(f"/api/worker/queue/add-consumer/{worker.name}?queue=nowhere")
    sent = flower.post("/api/task/send-task/deliver", '{"args": [[1]]}')
    added = flower.post(f"/api/worker/queue/add-consumer/{worker.name}?queue=returns.low")
    field.send("returns.low", [7])
    ran = worker.wait_ran(1)
    cancelled = flower.post(f"/api/worker/queue/cancel-consumer/{worker.name}?queue=returns.low")

    assert (foreign.status, sent.status, added.status, cancelled.status) == (403, 403, 200, 200)
    assert "no work queue of the topology" in foreign.text
    assert ran[0].queue == "returns.low"
    assert worker.process.poll() is None
    with pytest.raises(AssertionError, match="404"):
        field.unacked("nowhere")


def test_read_only_shows_everything_and_changes_nothing(workers: Workers, rabbit: Rabbit, tmp_path: Path) -> None:
    worker = workers.start()
    with flower_on(tmp_path, rabbit.url, rabbit.api_url, FLOWER_READ_ONLY="true") as flower:
        flower.knows(worker.name)
        asked = [f"pool/grow/{worker.name}", f"pool/shrink/{worker.name}", f"shutdown/{worker.name}"]
        asked += [f"queue/add-consumer/{worker.name}?queue=returns.low", f"queue/cancel-consumer/{worker.name}?queue={QUEUE}"]

        told = [flower.post(f"/api/worker/{one}") for one in asked] + [flower.post("/api/task/revoke/1")]

    assert {answer.status for answer in told} == {403}
    assert worker.process.poll() is None
    assert workers.field.ask("stats", worker)["pool"]["max-concurrency"] == 2


def test_workers_are_heard_again_after_the_broker_dropped_every_connection(workers: Workers, flower: FlowerProcess) -> None:
    field, worker = workers.field, workers.start(events=True)
    flower.knows(worker.name)
    wait_until(lambda: field.break_connections() > 0, 20, "connections broken")
    field.send(QUEUE, [21])

    def heard() -> bool:
        field.send(QUEUE, [22])
        return any(task["state"] == "SUCCESS" for task in flower.get("/api/tasks").values())

    wait_until(heard, 40, "a task is heard of")


def test_the_login_and_the_brokers_password_are_neither_on_the_command_line_nor_in_the_log(
    flower: FlowerProcess, rabbit: Rabbit
) -> None:
    flower.ask("GET", "/broker")
    flower.ask("GET", "/broker", login="operator:canary-wrong")

    command = Path(f"/proc/{flower.process.pid}/cmdline").read_text()
    told = flower.output.read_text()

    password = urlsplit(rabbit.url).password or "?"
    assert not [secret for secret in (LOGIN, "canary", password) if secret in command or secret in told]
    assert all(line.startswith("{") for line in told.splitlines())


def test_it_listens_without_a_broker_and_a_signal_ends_it_in_time(tmp_path: Path) -> None:
    with flower_on(tmp_path, NOBODY) as flower:
        page = flower.ask("GET", "/workers")
        flower.process.terminate()
        code = flower.process.wait(15)

    assert page.status == 200
    assert code == 0
    assert "canary-broker" not in flower.output.read_text()


@pytest.mark.parametrize("login", ["", "operator", "operator:", ":password"])
def test_it_does_not_start_without_a_login(login: str) -> None:
    ended = millrace("flower", BROKER_URL=NOBODY, FLOWER_LOGIN=login)

    assert ended.code == 4
    assert "MILLRACE_FLOWER_LOGIN" in ended.err
