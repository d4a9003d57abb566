"""Millrace as a contender: its own commands as a user runs them, its ledger on PostgreSQL, its topology of quorum queues."""

import csv
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import laying, processes
from bench.contenders import WORKER_PROCESSES, Told, alive
from bench.fleet_file import POOLS, Option, fleet_file
from bench.load import pour
from bench.orders import SECRET, webhooks
from bench.services import Services

ARTICLES = 4
FREE_SLOTS = 64
"""What served best at an ERP without a limit."""
READY_S = 60.0
COMMAND_LIMIT_S = 60
NETSUITE: dict[str, Option] = {"guest_customer": "1"}


@dataclass(slots=True)
class Millrace:
    """The product: receiver, relay, recorder and two worker processes. ``crossrefs`` are rows of kind, our key, its id."""

    name: str = "millrace"
    pools: str = "combined"
    slots: int = 10
    """Threads of a worker: what a known limit needs; `FREE_SLOTS` where there is none."""
    told: Told | None = None
    adapter: str = "netsuite"
    options: Mapping[str, Option] = field(default_factory=lambda: NETSUITE)
    crossrefs: Sequence[tuple[str, str, str]] = tuple(("item", f"BENCH-{n:03d}", str(500 + n)) for n in range(1, ARTICLES + 1))
    secret: str = "bench"
    answer_timeout_s: float = 10.0
    log_level: str = "warning"
    _sample: laying.Sample | None = None
    _intake: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _beside: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _started: int = 0

    def start_intake(self, services: Services, erp_url: str) -> str:
        text = fleet_file(
            erp_url,
            self.told,
            adapter=self.adapter,
            options=dict(self.options),
            slots=self.slots,
            answer_timeout_s=self.answer_timeout_s,
        )
        (services.folder / "fleet.toml").write_text(text)
        self.run(services, ["db", "upgrade"], ["topology", "declare"])
        port = processes.free_port()
        self._intake.append(self._start(services, ["receiver", "--port", str(port)], "intake.log"))
        ready = {role: services.folder / f"{role}.ready" for role in ("relay", "recorder")}
        self._beside = [self._start(services, [role, "--ready-file", str(f)], f"{role}.log") for role, f in ready.items()]
        self._tell_crossrefs(services)
        processes.until_healthy(f"http://127.0.0.1:{port}/ready", self._intake[0], services.folder / "intake.log")
        deadline = time.monotonic() + READY_S
        while not all(f.exists() for f in ready.values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"relay and recorder were not ready within {READY_S:.0f} s; see {services.folder}")
            time.sleep(0.1)
        return f"http://127.0.0.1:{port}/in/shop"

    def start_workers(self, services: Services, erp_url: str, count: int = WORKER_PROCESSES) -> None:
        pools = POOLS[self.pools]
        for _ in range(count):
            pool = pools[self._started % len(pools)]
            self._started += 1
            self._workers.append(self._start(services, ["worker", pool, "--name", f"{pool}-{self._started}"], "worker.log"))

    def pids(self) -> dict[str, tuple[int, ...]]:
        return {"intake": alive(self._intake), "worker": alive(self._workers), "beside": alive(self._beside)}

    def take_sample(self, services: Services, url: str, number: int) -> None:
        """Take one real webhook in, let a worker that cannot deliver prepare it, and keep its rows and its message."""
        pour(url, webhooks(number, 1), connections=1)
        preparing = self._start(services, ["worker", "prepare", "--name", "sample"], "sample.log")
        try:
            self._sample = laying.take_sample(services, number)
        finally:
            processes.end([preparing])

    def lay(self, services: Services, first: int, count: int, cls: str = "normal") -> None:
        if self._sample is None:
            raise RuntimeError("a backlog is laid as copies of a sample: take one first")
        laying.lay(services, self._sample, first, count, cls)

    def left(self, services: Services) -> set[str]:
        return laying.left(services)

    def reweigh(self, services: Services, *, high: int, normal: int, low: int) -> None:
        """Change how the ERP's lane serves its classes, as an operator does."""
        told = {"--high": high, "--normal": normal, "--low": low}
        self.run(services, ["weights", "set", "deliver.erp", *(str(word) for pair in told.items() for word in pair)])

    def kill_worker(self) -> None:
        processes.kill([self._workers[0].pid])

    def stop_workers(self) -> None:
        processes.end(self._workers)
        self._workers = []

    def stop(self) -> None:
        processes.end([*self._workers, *self._beside, *self._intake])
        self._workers, self._beside, self._intake, self._sample, self._started = [], [], [], None, 0

    def run(self, services: Services, *commands: Sequence[str]) -> None:
        """Run commands to their ends, side by side. Raises RuntimeError with the end of their output when one fails."""
        running = [(words, self._start(services, words, f"{words[0]}.log")) for words in commands]
        for words, process in running:
            if process.wait(COMMAND_LIMIT_S) != 0:
                told = (services.folder / f"{words[0]}.log").read_text()[-2000:]
                raise RuntimeError(f"millrace {' '.join(words)} failed:\n{told}")

    def _tell_crossrefs(self, services: Services) -> None:
        file = services.folder / "crossrefs.csv"
        with file.open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["target", "kind", "source", "key", "remote_id"])
            rows.writerows(["erp", kind, "*", key, remote_id] for kind, key, remote_id in self.crossrefs)
        self.run(services, ["crossrefs", "load", str(file)])

    def _start(self, services: Services, words: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        env = {
            "MILLRACE_FLEET_FILE": str(services.folder / "fleet.toml"),
            "MILLRACE_BROKER_URL": services.amqp_url,
            "MILLRACE_LEDGER_URL": services.database_url,
            "MILLRACE_REDIS_URL": services.redis_url,
            "MILLRACE_LOG_LEVEL": self.log_level,
            "MILLRACE_SECRET_SHOP": SECRET.decode(),
            "MILLRACE_SECRET_ERP": self.secret,
            **processes.bytecode_beside(services.folder.parent),
        }
        return processes.start([str(Path(sys.executable).with_name("millrace")), *words], services.folder / log, env)
