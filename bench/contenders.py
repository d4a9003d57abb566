"""Names the contenders: what a bench needs to know of each, and the four peers behind it."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pika  # type: ignore[import-untyped]  # ships no types
import psycopg

from bench import processes
from bench.load import pour
from bench.orders import order_id, webhooks
from bench.peers.job import CREATE_TABLE
from bench.services import Services

WORKER_PROCESSES = 2


class Contender(Protocol):
    """One system doing the job. A run starts the intake, then the workers, reads the pids, and stops everything."""

    name: str

    def start_intake(self, services: Services, erp_url: str) -> str:
        """Start the receiving side, wait until it answers, return the URL webhooks are posted to."""
        ...

    def start_workers(self, services: Services, erp_url: str) -> None:
        """Start two worker processes with all they need; the caller waits for their first orders."""
        ...

    def pids(self) -> dict[str, tuple[int, ...]]:
        """Root pids by role: ``intake``, ``worker``, and ``beside`` for what else runs while orders do."""
        ...

    def lay(self, services: Services, url: str, first: int, count: int) -> None:
        """Lay a backlog of ``count`` orders before workers that are not started yet, as fast as it goes."""
        ...

    def stop(self) -> None:
        """End everything that was started."""
        ...


@dataclass(slots=True)
class Peer:
    """A peer of ``bench/peers``, started through its own command line."""

    name: str
    package: str
    queue: str
    workers: Sequence[Sequence[str]]
    slots: int = 16
    intake_dedupe: bool = False
    _intake: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_intake(self, services: Services, erp_url: str) -> str:
        with psycopg.connect(services.database_url) as database:
            database.execute(CREATE_TABLE)
        port = processes.free_port()
        command = [
            "uvicorn",
            f"bench.peers.{self.package}.intake:app",
            "--port",
            str(port),
            "--no-access-log",
            "--log-level",
            "warning",
        ]
        self._intake.append(self._start(command, services, erp_url, "intake.log"))
        processes.until_healthy(f"http://127.0.0.1:{port}/health", self._intake[0], services.folder / "intake.log")
        return f"http://127.0.0.1:{port}/in/shop"

    def start_workers(self, services: Services, erp_url: str) -> None:
        for words in self.workers:
            self._workers.append(self._start(words, services, erp_url, "worker.log"))

    def pids(self) -> dict[str, tuple[int, ...]]:
        return {"intake": tuple(p.pid for p in self._intake), "worker": tuple(p.pid for p in self._workers), "beside": ()}

    def lay(self, services: Services, url: str, first: int, count: int) -> None:
        """Take one real message in through HTTP, then publish it again under each order's id: the ids are equally long."""
        pour(url, webhooks(first, 1), connections=1)
        connection = pika.BlockingConnection(pika.URLParameters(services.amqp_url))
        channel = connection.channel()
        method, properties, body = channel.basic_get(self.queue)
        if method is None or body is None:
            raise RuntimeError(f"{self.name}: the sample order is not in {self.queue}; see the intake's log")
        mark = str(order_id(first)).encode()
        for number in range(first + 1, first + count):
            channel.basic_publish("", self.queue, body.replace(mark, str(order_id(number)).encode()), properties)
        channel.basic_nack(method.delivery_tag, requeue=True)
        connection.close()

    def stop(self) -> None:
        processes.end([*self._workers, *self._intake])
        self._workers, self._intake = [], []

    def _start(self, words: Sequence[str], services: Services, erp_url: str, log: str) -> subprocess.Popen[bytes]:
        env = {
            "BENCH_AMQP_URL": services.amqp_url,
            "BENCH_DATABASE_URL": services.database_url,
            "BENCH_REDIS_URL": services.redis_url,
            "BENCH_ERP_URL": erp_url,
            "BENCH_SLOTS": str(self.slots),
            "BENCH_INTAKE_DEDUPE": str(int(self.intake_dedupe)),
            **processes.bytecode_beside(services.folder.parent),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        program = str(Path(sys.executable).parent / words[0])
        return processes.start([program, *words[1:]], services.folder / log, env)


def peers(slots: dict[str, int] | None = None) -> list[Peer]:
    """The four peers with the number of orders in hand per worker process that served each best."""
    sizes = {"celery": 16, "dramatiq": 16, "taskiq": 32, "faststream": 32} | (slots or {})
    return [
        Peer("celery", "celery_threads", "peer.celery", _celery(sizes["celery"]), sizes["celery"]),
        Peer("dramatiq", "dramatiq_threads", "peer.dramatiq", _dramatiq(sizes["dramatiq"]), sizes["dramatiq"]),
        Peer("taskiq", "taskiq_aio", "peer.taskiq", _taskiq(sizes["taskiq"]), sizes["taskiq"]),
        Peer("faststream", "faststream_rabbit", "peer.faststream", _faststream(), sizes["faststream"]),
    ]


def _celery(slots: int) -> list[list[str]]:
    flags = ["-P", "threads", "-c", str(slots), "--without-gossip", "--without-mingle", "-l", "WARNING"]
    command = ["celery", "-A", "bench.peers.celery_threads.app", "worker", *flags]
    return [[*command, "-n", f"worker{n}@bench"] for n in range(WORKER_PROCESSES)]


def _dramatiq(slots: int) -> list[list[str]]:
    module = "bench.peers.dramatiq_threads.app"
    return [["dramatiq", module, "--processes", str(WORKER_PROCESSES), "--threads", str(slots), "--skip-logging"]]


def _taskiq(slots: int) -> list[list[str]]:
    flags = ["--workers", str(WORKER_PROCESSES), "--max-async-tasks", str(slots), "--ack-type", "when_executed"]
    return [["taskiq", "worker", "bench.peers.taskiq_aio.app:broker", *flags, "--log-level", "WARNING"]]


def _faststream() -> list[list[str]]:
    return [["faststream", "run", "bench.peers.faststream_rabbit.app:app", "--log-level", "warning"]] * WORKER_PROCESSES
