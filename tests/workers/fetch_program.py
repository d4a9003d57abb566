"""A worker of the product with tasks that do as their row ids say: what the live tests of fetching start and kill."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery

from adapters.throttle.base import ONE_CALL, Ask, Denied, Granted, Limit, Report
from adapters.throttle.local import LocalThrottle
from routing import names
from routing.weights import Weights
from workers.app import make_app, make_worker
from workers.fetch.parts import SLOT_FREE_S, Rules
from workers.fetch.permits import PermitBook
from workers.fetch.plan import FetchPlan, Gate

FAIL, KILL, SLOW, DONE = 1_000_000, 2_000_000, 3_000_000, 4_000_000


@dataclass(frozen=True)
class FilePlan:
    """The plan in a file, as a test writes it."""

    path: Path

    def current(self) -> FetchPlan:
        told = json.loads(self.path.read_text())
        weights = {family: Weights(**given) for family, given in told["weights"].items()}
        gates = {lane: Gate(**given) for lane, given in told.get("gates", {}).items()}
        limits = {target: limit_of(**given) for target, given in told.get("limits", {}).items()}
        return FetchPlan(weights, frozenset(told["paused"]), told.get("shares", {}), gates, limits)


class CountingThrottle:
    """A throttle that counts each lease out and in."""

    def __init__(self, limit: Limit, count: Path) -> None:
        self._inner = LocalThrottle(limit, full=False)
        self._count = count
        self._out: set[str] = set()
        self._granted = self._returned = 0
        self._lock = threading.Lock()

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        answer = self._inner.acquire(ask)
        if isinstance(answer, Granted):
            with self._lock:
                self._granted += 1
                self._out.add(answer.lease)
                self._write()
        return answer

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        return self._inner.extend(permit, calls)

    def release(self, permit: Granted, unspent: int = 0) -> None:
        self._inner.release(permit, unspent)
        with self._lock:
            if permit.lease in self._out:
                self._out.remove(permit.lease)
                self._returned += 1
            self._write()

    def sent(self, permit: Granted) -> None:
        self._inner.sent(permit)

    def pause(self, wait_s: float, reason: str) -> None:
        self._inner.pause(wait_s, reason)

    def adjust(self, limit: Limit) -> None:
        self._inner.adjust(limit)

    def report(self, seen: Report) -> None:
        self._inner.report(seen)

    def _write(self) -> None:
        fresh = self._count.with_suffix(".new")
        fresh.write_text(json.dumps({"granted": self._granted, "returned": self._returned, "out": len(self._out)}))
        fresh.replace(self._count)


def register(app: Celery, folder: Path, permits: PermitBook, throttles: Mapping[str, CountingThrottle], service_s: float) -> None:
    """Four tasks that write down what they ran; a row's size says what becomes of it."""
    log = os.open(folder / "ran.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nap = threading.Event()

    def run(task: Any, rows: list[int]) -> None:
        queue = task.request.delivery_info["routing_key"]
        permit = permits.hand_over(task.request.id)
        if permit is not None:
            throttles[names.target_of(names.family_of(queue)) or ""].sent(permit)
        if service_s >= 0:
            at = f"{time.time():.4f} {os.getpid()} {int(permit is not None)}"
            os.write(log, "".join(f"{row} {queue} {at}\n" for row in rows).encode())
        if service_s > 0:
            nap.wait(service_s * len(rows))
        worst = max(rows)
        if min(rows) >= DONE:
            permits.found_nothing(task.request.id)
        elif worst >= SLOW:
            nap.wait((worst - SLOW) / 1000)
        elif worst >= KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif worst >= FAIL:
            raise ValueError("a row that fails")

    for name in ("orders.prepare", "shipments.prepare", "returns.prepare", "deliver"):
        app.task(name=name, bind=True)(run)


def limit_of(operations: dict[str, Any] | None = None, **limit: Any) -> Limit:
    """A limit as a test writes it down, with those of single operations."""
    return Limit(**limit, operations={name: Limit(**inner) for name, inner in (operations or {}).items()})


def main() -> None:
    told = json.loads(sys.argv[1])
    folder = Path(told["folder"])
    throttles = {
        target: CountingThrottle(limit_of(**limit), folder / f"permits-{target}.json") for target, limit in told["limits"].items()
    }
    permits = PermitBook(throttles)
    app = make_app(
        told["broker_url"],
        queues=told["queues"],
        families=told["families"],
        plan=FilePlan(folder / "plan.json"),
        permits=permits,
        rules={
            names.lane(target): Rules(told["bundle"], SLOT_FREE_S, limit_of(**limit)) for target, limit in told["limits"].items()
        },
        task_events=told["events"],
    )
    register(app, folder, permits, throttles, told["service_s"])
    worker = make_worker(
        app,
        pool=told["pool"],
        concurrency=told["concurrency"],
        hostname=told["name"],
        stop_wait_s=told["stop_wait_s"],
        loglevel=told.get("loglevel", "INFO"),
        logfile=str(folder / "worker.log"),
    )
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
