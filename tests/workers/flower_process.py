"""Starts the product's Flower as a child process for tests, and speaks its HTTP API."""

import base64
import contextlib
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live import Rabbit, wait_until
from tests.workers.command_line import MILLRACE
from tests.workers.fetching import Field, Workers, workers_on
from workers.local.service import free_port

LOGIN = "operator:canary-login-4711"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class FlowerProcess:
    """A Flower that listens."""

    process: "subprocess.Popen[bytes]"
    port: int
    output: Path

    def ask(self, method: str, path: str, *, login: str | None = LOGIN, body: str | None = None) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if login is not None:
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            link.request(method, path, body, headers)
            answer = link.getresponse()
            return Answer(answer.status, answer.read().decode())
        finally:
            link.close()

    def get(self, path: str) -> Any:
        """The JSON of a page that must be there."""
        answer = self.ask("GET", path)
        assert answer.status == 200, f"{path}: {answer}"
        return answer.json()

    def post(self, path: str, body: str = "") -> Answer:
        return self.ask("POST", path, body=body)

    def knows(self, worker: str) -> Any:
        """What it knows of a worker, once it knows its queues."""
        return wait_until(lambda: self._queues_of(worker), 30, f"Flower knows {worker}")

    def _queues_of(self, worker: str) -> Any:
        known = self.get(f"/api/workers?refresh=1&workername={worker}") if self.get("/api/workers").get(worker) else {}
        found = known.get(worker) or self.get("/api/workers?refresh=1").get(worker)
        return found if found and found.get("active_queues") and found.get("stats") else None


@pytest.fixture
def workers(rabbit: Rabbit, tmp_path: Path) -> Iterator[Workers]:
    """Workers of this test, and their broker."""
    with workers_on(Field(rabbit), tmp_path) as started:
        yield started


@pytest.fixture
def flower(rabbit: Rabbit, tmp_path: Path) -> Iterator[FlowerProcess]:
    """A Flower beside them."""
    with flower_on(tmp_path, rabbit.url, rabbit.api_url) as running:
        yield running


@contextlib.contextmanager
def flower_on(folder: Path, broker_url: str, api_url: str = "", **more: str) -> Iterator[FlowerProcess]:
    """A Flower of the test's own, ended by SIGTERM."""
    port = free_port()
    given = {"BROKER_URL": broker_url, "FLOWER_LOGIN": LOGIN, "FLOWER_PORT": str(port), "LOG_FORMAT": "json"}
    given |= {"BROKER_API_URL": f"{api_url}/api/"} if api_url else {}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    environment |= {f"MILLRACE_{name}": value for name, value in (given | more).items()}
    ready, output = folder / "flower.ready", folder / "flower.log"
    with output.open("ab") as log:
        process = subprocess.Popen([MILLRACE, "flower", "--ready-file", str(ready)], env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: ready.exists() or process.poll() is not None, 60, "Flower listens")
        assert process.poll() is None, output.read_text()
        yield FlowerProcess(process, port, output)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
