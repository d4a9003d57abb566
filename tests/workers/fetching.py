"""Drives the live tests of fetching: a topology in the test's vhost, letters into it, worker processes on it."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import Connection

from config.topology import TopologyTable
from routing import names
from routing.declare import declare
from routing.letters import DELIVER_TASK, new_task_id, parts, prepare_task
from routing.topology import Topology, build_topology
from tests.live import Rabbit, broker_api, wait_until

TARGET = "sandbox"
LANE = names.lane(TARGET)
ORDERS = names.family(TARGET, "orders")
LIMIT = 4
TABLE = TopologyTable(domains=("orders", "returns"), classes=names.CLASSES, delivery_limit=LIMIT, ladder_s=(1,))
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """One start of a task."""

    row: int
    queue: str
    at: float
    pid: int
    permitted: bool


class Field:
    """The test's vhost with the topology declared in it."""

    def __init__(self, rabbit: Rabbit) -> None:
        self.rabbit = rabbit
        self.topology: Topology = build_topology(TABLE, (TARGET,))
        self.connection = Connection(rabbit.url)
        declare(self.connection, self.topology)
        self.control = Celery("test", broker=rabbit.url, set_as_current=False).control

    def send(self, queue: str, rows: Sequence[int], each: int = 1, **more: Any) -> None:
        """Messages of ``each`` rows, by default one a row."""
        channel: Any = self.connection.channel()
        for part in parts(tuple(rows), each):
            headers = headers_for(queue, calls=len(part), **more)
            self.raw(queue, json.dumps([[list(part)], {}, {}]), headers, channel=channel)
        channel.close()

    def raw(self, queue: str, body: Any, headers: Any, channel: Any = None, **properties: Any) -> None:
        """One message of any shape."""
        from amqp import Message

        given = {"content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2} | properties
        if headers is not None:
            given["application_headers"] = headers
        given = {name: value for name, value in given.items() if value is not None}
        place: Any = channel or self.connection.default_channel
        place.basic_publish_confirm(
            Message(body if isinstance(body, bytes) else body.encode(), **given), names.WORK_EXCHANGE, queue
        )

    def depth(self, queue: str) -> int:
        """Messages ready in a queue."""
        channel: Any = self.connection.default_channel
        return int(channel.queue_declare(queue, passive=True).message_count)

    def unacked(self, queue: str) -> int:
        """Messages of a queue that some worker holds, as the management API counts them."""
        told: Any = broker_api(self.rabbit.api_url, "GET", f"/api/queues/{self.rabbit.vhost}/{queue}")
        return int(told.get("messages_unacknowledged", 0))

    def dead(self, lane: str) -> list[tuple[int, str]]:
        """Row and reason of what is in a dead-letter queue; takes it out."""
        found = []
        channel: Any = self.connection.default_channel
        while (message := channel.basic_get(names.dead(lane), no_ack=True)) is not None:
            with contextlib.suppress(ValueError, TypeError, IndexError, KeyError):
                found.append((json.loads(message.body)[0][0][0], message.headers["x-death"][0]["reason"]))
        return found

    def break_connections(self) -> int:
        """Close every connection to the vhost but ours; returns how many."""
        ours = self.connection.connection.transport.sock.getsockname()[1]
        listed: Any = broker_api(self.rabbit.api_url, "GET", f"/api/vhosts/{self.rabbit.vhost}/connections")
        theirs = [one["name"] for one in listed if one.get("peer_port") != ours]
        for name in theirs:
            with contextlib.suppress(AssertionError):
                broker_api(self.rabbit.api_url, "DELETE", f"/api/connections/{name}")
        return len(theirs)

    def ask(self, command: str, worker: "WorkerProcess", **arguments: Any) -> Any:
        """The worker's answer to a remote control command."""
        answers = self.control.broadcast(command, arguments=arguments, reply=True, timeout=5, limit=1, destination=[worker.name])
        assert answers, f"no answer to {command}"
        return answers[0][worker.name]


class WorkerProcess:
    """One worker process of the product."""

    def __init__(self, field: Field, folder: Path, number: int, **told: Any) -> None:
        self.name = f"w{number}@test"
        self.folder = folder
        defaults = {
            "limits": {TARGET: {"rate_per_s": 10_000, "burst": 1000}},
            "events": False,
            "service_s": 0.0,
            "stop_wait_s": 20,
            "bundle": 8,
        }
        defaults |= {"pool": "threads", "concurrency": 2, "families": [LANE], "name": self.name, "folder": str(folder)}
        defaults |= {"broker_url": field.rabbit.url, "queues": sorted(field.topology.work_queues)}
        command = [sys.executable, "-m", "tests.workers.fetch_program", json.dumps(defaults | told)]
        self._output = (folder / "output.log").open("ab")
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self._output, stderr=self._output)

    @property
    def ran(self) -> list[Ran]:
        """Every start of a task in this folder, in order."""
        path = self.folder / "ran.log"
        lines = path.read_text().splitlines() if path.exists() else []
        split = [line.split() for line in lines]
        return [Ran(int(row), queue, float(at), int(pid), permitted == "1") for row, queue, at, pid, permitted in split]

    @property
    def permits(self) -> dict[str, int]:
        """Leases granted, returned and out, as the throttle counted."""
        told: dict[str, int] = json.loads((self.folder / f"permits-{TARGET}.json").read_text())
        return told

    def wait_ran(self, count: int, deadline_s: float = 30) -> list[Ran]:
        """What ran once at least ``count`` tasks began."""
        wait_until(lambda: len(self.ran) >= count, deadline_s, f"{count} tasks run ({self.folder})")
        return self.ran

    def stop(self) -> int:
        """Ask for a warm shutdown and wait; the exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._output.close()


class Workers:
    """Starts workers in a folder of the test's own and ends them with the test."""

    def __init__(self, field: Field, folder: Path) -> None:
        self.field = field
        self.folder = folder
        self._started: list[WorkerProcess] = []
        self.plan()

    def plan(self, weights: dict[str, Any] | None = None, paused: Sequence[str] = (), **more: Any) -> None:
        """Write the plan the workers read; ``more`` are shares, gates and limits."""
        path = self.folder / "plan.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"weights": weights or {}, "paused": list(paused)} | more))
        fresh.replace(path)

    def start(self, *, ready: bool = True, **told: Any) -> WorkerProcess:
        """A worker, by default one that answers a ping already."""
        worker = WorkerProcess(self.field, self.folder, len(self._started), **told)
        self._started.append(worker)
        if ready:
            wait_until(lambda: self.field.control.ping(timeout=0.5, destination=[worker.name]), 30, "worker ready")
        return worker

    def close(self) -> None:
        for worker in self._started:
            worker.close()


@contextlib.contextmanager
def workers_on(field: Field, folder: Path) -> Iterator[Workers]:
    """Workers that end with the block."""
    workers = Workers(field, folder)
    try:
        yield workers
    finally:
        workers.close()
        field.connection.release()


def headers_for(queue: str, **more: Any) -> dict[str, Any]:
    """The headers of a good message for a queue."""
    family = names.family_of(queue)
    task_id = more.pop("id", None) or new_task_id()
    task = DELIVER_TASK if names.target_of(family) else prepare_task(family)
    good = {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0, "timelimit": [None, None]}
    return (
        good
        | {"argsrepr": "(row)", "kwargsrepr": "{}", "eta": None, "expires": None, "calls": 1, "operation": "order.create"}
        | more
    )
