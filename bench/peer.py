"""Runs a peer of ``bench/peers`` through its own command line, with the settings that serve it best."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pika  # type: ignore[import-untyped]  # ships no types
import psycopg

from bench import processes
from bench.contenders import WORKER_PROCESSES, Told, alive
from bench.load import pour
from bench.orders import FIRST_ID, order_id, webhooks
from bench.peers.job import CREATE_TABLE
from bench.services import Services

CLAIM_S = 3.0
"""How long the survivors leave an order to a dead worker at a limited ERP, as the product's ``max_execution_s`` does."""
_KEY = re.compile(rb"7\d{%d}" % (len(str(FIRST_ID)) - 1))


@dataclass(slots=True)
class Peer:
    """One peer. With ``told`` its limit is split by hand over ``WORKER_PROCESSES`` processes, each started by itself."""

    name: str
    package: str
    queue: str
    slots: int
    intake_dedupe: bool = False
    told: Told | None = None
    throttle: str = "share"
    priorities: bool = False
    _sample: tuple[pika.BasicProperties, bytes, str] | None = None
    _intake: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_intake(self, services: Services, erp_url: str) -> str:
        with psycopg.connect(services.database_url) as database:
            database.execute(CREATE_TABLE)
        port = processes.free_port()
        command = ["uvicorn", f"bench.peers.{self.package}.intake:app", "--port", str(port)]
        command += ["--no-access-log", "--log-level", "warning"]
        self._intake.append(self._start(command, services, erp_url, "intake.log"))
        processes.until_healthy(f"http://127.0.0.1:{port}/health", self._intake[0], services.folder / "intake.log")
        return f"http://127.0.0.1:{port}/in/shop"

    def start_workers(self, services: Services, erp_url: str, count: int = WORKER_PROCESSES) -> None:
        # Where a process has its own part of a limit, and may be killed alone, each has a command of its own.
        for processes_of_one in [1] * count if self.told else [count]:
            for words in _commands(self.package, processes_of_one, self.slots, len(self._workers)):
                self._workers.append(self._start(words, services, erp_url, "worker.log"))

    def pids(self) -> dict[str, tuple[int, ...]]:
        return {"intake": alive(self._intake), "worker": alive(self._workers), "beside": ()}

    def take_sample(self, services: Services, url: str, number: int) -> None:
        """Keep the message that a real webhook became; it stays in the queue."""
        pour(url, webhooks(number, 1), connections=1)
        with pika.BlockingConnection(pika.URLParameters(services.amqp_url)) as connection:
            channel = connection.channel()
            method, properties, body = channel.basic_get(self.queue)
            if method is None or body is None:
                raise RuntimeError(f"{self.name}: the sample order is not in {self.queue}; see the intake's log")
            channel.basic_nack(method.delivery_tag, requeue=True)
        self._sample = properties, body, str(order_id(number))

    def lay(self, services: Services, first: int, count: int, cls: str = "normal") -> None:
        """Publish the sample again under each order's id: the ids are equally long. A peer has no classes but by priority."""
        if self._sample is None:
            raise RuntimeError("a backlog is laid as copies of a sample: take one first")
        properties, body, mark = self._sample
        with pika.BlockingConnection(pika.URLParameters(services.amqp_url)) as connection:
            channel = connection.channel()
            for number in range(first, first + count):
                channel.basic_publish("", self.queue, _renamed(body, mark, number), properties)

    def left(self, services: Services) -> set[str]:
        keys: set[str] = set()
        with pika.BlockingConnection(pika.URLParameters(services.amqp_url)) as connection:
            channel = connection.channel()
            waiting = channel.queue_declare(self.queue, passive=True).method.message_count
            for number, (_, _, body) in enumerate(channel.consume(self.queue, auto_ack=True, inactivity_timeout=2.0), 1):
                if body is None:
                    break
                keys.update(key.decode() for key in _KEY.findall(body))
                if number >= waiting:
                    break
        return keys

    def kill_worker(self) -> None:
        processes.kill([self._workers[0].pid])

    def stop_workers(self) -> None:
        processes.end(self._workers)
        self._workers = []

    def stop(self) -> None:
        processes.end([*self._workers, *self._intake])
        self._workers, self._intake, self._sample = [], [], None

    def _start(self, words: Sequence[str], services: Services, erp_url: str, log: str) -> subprocess.Popen[bytes]:
        env = {
            "BENCH_AMQP_URL": services.amqp_url,
            "BENCH_DATABASE_URL": services.database_url,
            "BENCH_REDIS_URL": services.redis_url,
            "BENCH_ERP_URL": erp_url,
            "BENCH_SLOTS": str(self.slots),
            "BENCH_INTAKE_DEDUPE": str(int(self.intake_dedupe)),
            "BENCH_PRIORITIES": str(int(self.priorities)),
            **(self._share(self.told) if self.told else {}),
            **processes.bytecode_beside(services.folder.parent),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        program = str(Path(sys.executable).parent / words[0])
        return processes.start([program, *words[1:]], services.folder / log, env)

    def _share(self, told: Told) -> dict[str, str]:
        return {
            "BENCH_THROTTLE": self.throttle,
            "BENCH_RATE_PER_S": str((told.rate_per_s or 0.0) / WORKER_PROCESSES),
            # One below its part: two requests may arrive closer together than they left.
            "BENCH_BURST": str(max(1, (told.burst - 1) // WORKER_PROCESSES)),
            "BENCH_CLAIM_S": str(CLAIM_S),
        }


def _renamed(body: bytes, mark: str, number: int) -> bytes:
    return body.replace(mark.encode(), str(order_id(number)).encode())


def peers() -> list[Peer]:
    """The four peers at an ERP without a limit, with the number of orders in hand per process that served each best."""
    return [
        Peer("celery", "celery_threads", "peer.celery", 16),
        Peer("dramatiq", "dramatiq_threads", "peer.dramatiq", 16),
        Peer("taskiq", "taskiq_aio", "peer.taskiq", 32),
        Peer("faststream", "faststream_rabbit", "peer.faststream", 32),
    ]


def split_by_hand(told: Told, *, priorities: bool = False, celery: bool = False) -> list[Peer]:
    """The peers with the limit split over a fixed number of processes: a bucket in each, and its part of the calls at once
    as its slots.
    """
    slots = (told.at_once or WORKER_PROCESSES) // WORKER_PROCESSES
    named = [("dramatiq", "dramatiq_threads"), ("taskiq", "taskiq_aio"), ("faststream", "faststream_rabbit")]
    named += [("celery", "celery_threads")] if celery else []
    return [Peer(name, package, f"peer.{name}", slots, told=told, priorities=priorities) for name, package in named]


def celery_at_a_limit(told: Told) -> list[Peer]:
    """Celery's two own ways: ``rate_limit`` on the task, and no limit but a retry after each refusal."""
    return [
        Peer("celery-rate-limit", "celery_threads", "peer.celery", 16, told=told, throttle="rate_limit"),
        Peer("celery-retry", "celery_threads", "peer.celery", 16, told=told, throttle="retry"),
    ]


def _commands(package: str, count: int, slots: int, already: int) -> list[list[str]]:
    """The command lines that run ``count`` worker processes of a package."""
    app = f"bench.peers.{package}.app"
    if package == "celery_threads":
        flags = ["-P", "threads", "-c", str(slots), "--without-gossip", "--without-mingle", "-l", "WARNING"]
        return [["celery", "-A", app, "worker", *flags, "-n", f"worker{already + n}@bench"] for n in range(count)]
    if package == "dramatiq_threads":
        return [["dramatiq", app, "--processes", str(count), "--threads", str(slots), "--skip-logging"]]
    if package == "taskiq_aio":
        flags = ["--workers", str(count), "--max-async-tasks", str(slots), "--ack-type", "when_executed"]
        return [["taskiq", "worker", f"{app}:broker", *flags, "--log-level", "WARNING"]]
    return [["faststream", "run", f"{app}:app", "--log-level", "warning"]] * count
