"""Real services for tests: started once a session, shared by its workers; fresh places in them for each test."""

import base64
import dataclasses
import fcntl
import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg
import pytest
import redis

from workers.local.packages import find_missing
from workers.local.postgres import start_postgres
from workers.local.process import Process
from workers.local.rabbitmq import start_rabbitmq
from workers.local.redis import start_redis
from workers.local.service import Service

T = TypeVar("T")

LOOK_S = 0.02
FIRST_DATABASE, DATABASES = 1, 1023


def wait_until(condition: Callable[[], T], deadline_s: float = 30, what: str = "the condition") -> T:
    """Return the condition's first true value; AssertionError with its last value after ``deadline_s``."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not hold within {deadline_s} s; last seen: {value!r}"
        time.sleep(LOOK_S)
    return value


@dataclasses.dataclass(frozen=True)
class Rabbit:
    """A test's own vhost in the session's broker."""

    url: str
    api_url: str
    """The management API, with the login."""
    vhost: str


class LiveServices:
    """The session's private services; started when first asked for, ended with the session's first process."""

    def __init__(self, folder: Path, owner: Process, *, ci: bool) -> None:
        self._folder = folder
        self._owner = owner
        self._ci = ci

    def rabbitmq(self) -> Service:
        return self._shared("rabbitmq", lambda: start_rabbitmq(owner=self._owner))

    def redis(self) -> Service:
        return self._shared("redis", lambda: start_redis(owner=self._owner))

    def postgres(self) -> Service:
        return self._shared("postgres", lambda: start_postgres(owner=self._owner, durable=False))

    def stop(self) -> None:
        """End everything that any worker of the session started."""
        for note in self._folder.glob("*.json"):
            _read(note).stop()
            note.unlink()

    def next_database(self) -> int:
        """A Redis database number that no test of this session has had, until they run out."""
        with _locked(self._folder / "databases.lock"):
            counter = self._folder / "databases"
            taken = int(counter.read_text()) if counter.exists() else 0
            counter.write_text(str(taken + 1))
        return FIRST_DATABASE + taken % DATABASES

    def _shared(self, name: str, start: Callable[[], Service]) -> Service:
        self._require(name)
        note = self._folder / f"{name}.json"
        with _locked(self._folder / f"{name}.lock"):
            if not note.exists():
                note.write_text(json.dumps(dataclasses.asdict(start()), default=str))
        return _read(note)

    def _require(self, name: str) -> None:
        missing = find_missing((name,))
        if missing and self._ci:
            pytest.fail(str(missing))
        if missing:
            pytest.skip(str(missing))


@contextmanager
def fresh_vhost(service: Service) -> Iterator[Rabbit]:
    """An empty vhost; gone afterwards, which also ends every connection to it."""
    name = f"test-{uuid4().hex[:12]}"
    login = urlsplit(service.url)
    broker_api(service.console_url, "PUT", f"/api/vhosts/{name}")
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    broker_api(service.console_url, "PUT", f"/api/permissions/{name}/{login.username}", rights)
    try:
        yield Rabbit(url=service.url.removesuffix(login.path) + f"/{name}", api_url=service.console_url, vhost=name)
    finally:
        broker_api(service.console_url, "DELETE", f"/api/vhosts/{name}")


@contextmanager
def fresh_database(service: Service) -> Iterator[str]:
    """The URL of an empty PostgreSQL database; gone afterwards, with its connections."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(service.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield service.url.rpartition("/")[0] + f"/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def fresh_redis(service: Service, number: int) -> Iterator[str]:
    """The URL of an empty Redis database; emptied afterwards."""
    url = service.url.rpartition("/")[0] + f"/{number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


def broker_api(api_url: str, method: str, path: str, body: object = None) -> object:
    """Ask RabbitMQ's management API; its JSON answer, or None. AssertionError for anything but success."""
    place = urlsplit(api_url)
    login = base64.b64encode(f"{place.username}:{place.password}".encode()).decode()
    link = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        link.request(method, quote(path, safe="/%?=&"), json.dumps(body or {}), {"Authorization": f"Basic {login}"})
        answer = link.getresponse()
        text = answer.read()
    finally:
        link.close()
    assert answer.status < 300, f"{method} {path}: {answer.status} {text.decode(errors='replace')}"
    return json.loads(text) if text else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(note: Path) -> Service:
    kept = json.loads(note.read_text())
    guards = tuple(Process(**guard) for guard in kept.pop("guards"))
    return Service(**kept | {"folder": Path(kept["folder"]), "guards": guards})
