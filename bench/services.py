"""Starts the private RabbitMQ, PostgreSQL and Redis a bench runs on, with a virtual host and a database for every run."""

import base64
import json
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psycopg
import redis

from workers.local.postgres import start_postgres
from workers.local.rabbitmq import start_rabbitmq
from workers.local.redis import start_redis


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses of one run's services; ``roles`` names the process trees whose CPU is counted."""

    amqp_url: str
    database_url: str
    redis_url: str
    folder: Path
    roles: Mapping[str, tuple[int, ...]]


class Site:
    """A private broker, database (which syncs its commits) and cache; ``folder`` takes the logs of the runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._rabbit = start_rabbitmq()
            stack.callback(self._rabbit.stop)
            self._postgres = start_postgres(durable=True)
            stack.callback(self._postgres.stop)
            self._redis = start_redis()
            stack.callback(self._redis.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def fresh(self, name: str) -> Services:
        """Make an empty virtual host and database for one run, and empty the cache."""
        self._ask("PUT", f"vhosts/{name}")
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        self._ask("PUT", f"permissions/{name}/{urlsplit(self._rabbit.url).username}", rights)
        self._sql(f'CREATE DATABASE "{name}"')
        with redis.Redis.from_url(self._redis.url) as cache:
            cache.flushall()
        folder = self._folder / name
        folder.mkdir()
        return Services(
            amqp_url=urlsplit(self._rabbit.url)._replace(path=f"/{name}").geturl(),
            database_url=urlsplit(self._postgres.url)._replace(path=f"/{name}").geturl(),
            redis_url=self._redis.url,
            folder=folder,
            roles={"broker": (self._rabbit.pid,), "database": (self._postgres.pid,), "cache": (self._redis.pid,)},
        )

    def drop(self, name: str) -> None:
        """Remove what ``fresh`` made."""
        self._ask("DELETE", f"vhosts/{name}")
        self._sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> None:
        console = urlsplit(self._rabbit.console_url)
        login = base64.b64encode(f"{console.username}:{console.password}".encode()).decode()
        request = urllib.request.Request(
            f"http://{console.hostname}:{console.port}/api/{path}",
            data=json.dumps(body or {}).encode(),
            method=method,
            headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass
