"""Starts the private RabbitMQ, PostgreSQL and Redis a bench runs on, with a virtual host and a database for every run."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from bench import processes

RABBITMQ = Path("/usr/lib/rabbitmq/bin")
POSTGRES = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses of one run's services; ``roles`` names the process trees whose CPU is counted."""

    amqp_url: str
    database_url: str
    redis_url: str
    folder: Path
    roles: Mapping[str, tuple[int, ...]]


class Site:
    """A private broker, database and cache on free loopback ports, in one folder that goes away with them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._amqp_port, self._dist_port, self._epmd_port, self._pg_port, self._redis_port = _free_ports(5)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._rabbit_env = {
            "HOME": str(folder / "rabbit"),
            "RABBITMQ_NODENAME": f"bench{self._amqp_port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._amqp_port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "rabbit"),
            "RABBITMQ_LOG_BASE": str(folder / "rabbit"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "rabbit" / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbit" / "none"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def __enter__(self) -> Self:
        try:
            self._start_rabbit()
            self._start_postgres()
            self._start_redis()
            _until(self._rabbit_is_up, 60, "RabbitMQ")
            _until(self._postgres_is_up, 30, "PostgreSQL")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def fresh(self, name: str) -> Services:
        """Make an empty virtual host and database for one run, and empty the cache."""
        self._rabbitmqctl("add_vhost", name)
        self._rabbitmqctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        self._sql(f'CREATE DATABASE "{name}"')
        subprocess.run(["redis-cli", "-p", str(self._redis_port), "flushall"], check=True, capture_output=True)
        folder = self._folder / name
        folder.mkdir()
        return Services(
            amqp_url=f"amqp://guest:guest@127.0.0.1:{self._amqp_port}/{name}",
            database_url=f"postgresql://postgres@127.0.0.1:{self._pg_port}/{name}",
            redis_url=f"redis://127.0.0.1:{self._redis_port}/0",
            folder=folder,
            roles={
                role: (self._running[process].pid,)
                for role, process in (("broker", "rabbitmq"), ("database", "postgres"), ("cache", "redis"))
            },
        )

    def drop(self, name: str) -> None:
        """Remove what ``fresh`` made."""
        self._rabbitmqctl("delete_vhost", name)
        self._sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _start_rabbit(self) -> None:
        home = self._folder / "rabbit"
        home.mkdir()
        (home / "plugins").write_text("[].\n")
        self._running["rabbitmq"] = processes.start([str(RABBITMQ / "rabbitmq-server")], home / "out.log", self._rabbit_env)

    def _start_postgres(self) -> None:
        data = self._folder / "postgres"
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(data, "postgres")
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*as_postgres, str(POSTGRES / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8"],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        settings = ("listen_addresses=127.0.0.1", f"port={self._pg_port}", f"unix_socket_directories={data}",
                    "max_connections=200", "shared_buffers=256MB", "max_wal_size=2GB")  # fmt: skip
        flags = [part for setting in settings for part in ("-c", setting)]
        command = [*as_postgres, str(POSTGRES / "postgres"), "-D", str(data), *flags]
        self._running["postgres"] = processes.start(command, self._folder / "postgres.log", {})

    def _start_redis(self) -> None:
        command = [
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            str(self._redis_port),
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self._running["redis"] = processes.start(command, self._folder / "redis.log", {})

    def _stop(self) -> None:
        processes.end(self._running.values(), within_s=30.0)
        subprocess.run(["epmd", "-port", str(self._epmd_port), "-kill"], check=False, capture_output=True)

    def _rabbit_is_up(self) -> bool:
        return "completed with" in (self._folder / "rabbit" / "out.log").read_text(errors="replace")

    def _postgres_is_up(self) -> bool:
        try:
            self._sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _sql(self, statement: str) -> None:
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{self._pg_port}/postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def _rabbitmqctl(self, *words: str) -> None:
        env = {**os.environ, **self._rabbit_env}
        subprocess.run([str(RABBITMQ / "rabbitmqctl"), "-q", *words], check=True, capture_output=True, env=env)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _until(ready: Callable[[], bool], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not up after {within_s:.0f} s; its log is in the bench folder")
        time.sleep(0.1)
