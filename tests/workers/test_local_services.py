"""Private services: they start, serve, stop, come back with their data, and leave nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from kombu import Connection

from tests.live import Rabbit, wait_until
from workers.local import packages
from workers.local.packages import Missing, find_missing
from workers.local.postgres import start_postgres
from workers.local.process import Process
from workers.local.redis import start_redis
from workers.local.service import LocalServiceError, PortTakenError, Service, Start, free_port, launch, with_other_ports

OWNER = """
import sys, time
from pathlib import Path
from workers.local.redis import start_redis
service = start_redis(Path(sys.argv[1]))
print(service.pid, service.guards[0].pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "service"


def test_a_message_goes_through_the_private_broker(rabbit: Rabbit) -> None:
    with Connection(rabbit.url) as connection, connection.SimpleQueue("letters") as queue:
        queue.put("hello")

        message = queue.get(timeout=10)
        message.ack()

    assert message.payload == "hello"


def test_the_broker_and_its_port_mapper_listen_on_loopback_only(rabbitmq: Service) -> None:
    loopback = {"0100007F", "00000000000000000000000001000000"}

    addresses = _listening_addresses(rabbitmq)

    assert addresses
    assert addresses <= loopback


def test_each_test_gets_an_empty_database_and_an_empty_redis(postgres_url: str, redis_url: str) -> None:
    with psycopg.connect(postgres_url) as session:
        tables = session.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()

    assert tables == (0,)
    assert redis.Redis.from_url(redis_url).dbsize() == 0


def test_a_temporary_service_leaves_neither_process_nor_folder() -> None:
    service = start_redis()
    process = Process.of(service.pid)

    service.stop()

    assert not process.alive()
    assert not service.alive()
    assert not service.folder.exists()


def test_stopping_twice_is_harmless() -> None:
    service = start_redis()

    service.stop()
    service.stop()

    assert not service.alive()


def test_a_kept_redis_comes_back_with_its_data_and_its_password(folder: Path) -> None:
    first = start_redis(folder)
    redis.Redis.from_url(first.url).set("order", "1001")
    first.stop()

    second = start_redis(folder)
    kept = redis.Redis.from_url(second.url).get("order")
    second.stop()

    assert kept == b"1001"
    assert folder.exists()


def test_a_second_fleet_in_the_same_folder_is_told_so(folder: Path) -> None:
    first = start_redis(folder)

    with pytest.raises(LocalServiceError, match="another fleet is running in this folder"):
        start_redis(folder)

    assert redis.Redis.from_url(first.url).ping()
    first.stop()


def test_a_service_ends_when_its_owner_is_killed(folder: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    service, guard = (Process.of(int(number)) for number in owner.stdout.readline().split())

    owner.kill()
    owner.communicate()

    assert service.wait_gone(10)
    assert guard.wait_gone(10)


def test_a_service_ends_when_its_guard_is_killed_and_can_be_started_again(folder: Path) -> None:
    service = start_redis(folder)
    process = Process.of(service.pid)

    service.guards[0].send(signal.SIGKILL)

    assert process.wait_gone(10)
    again = start_redis(folder)
    assert redis.Redis.from_url(again.url).ping()
    again.stop()


def test_a_killed_service_is_noticed_and_its_folder_goes_with_stop() -> None:
    service = start_redis()

    Process.of(service.pid).send(signal.SIGKILL)

    wait_until(lambda: not service.alive(), what="the guard's end")
    service.stop()
    assert not service.folder.exists()


def test_a_durable_postgres_keeps_its_rows(open_folder: Path) -> None:
    first = start_postgres(open_folder)
    with psycopg.connect(first.url) as session:
        session.execute("create table kept (n int)")
    first.stop()

    second = start_postgres(open_folder)
    with psycopg.connect(second.url) as session:
        count = session.execute("select count(*) from kept").fetchone()
    second.stop()

    assert count == (0,)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A kept folder that PostgreSQL's own account can reach: pytest's folders are closed to it."""
    base = Path(tempfile.mkdtemp(prefix="millrace-kept-"))
    base.chmod(0o711)
    yield base / "kept"
    shutil.rmtree(base)


def test_a_port_that_is_taken_is_told_apart_from_other_failures(folder: Path) -> None:
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = f"import socket; socket.create_server(('127.0.0.1', {port}))"
        start = _python(folder, code)

        with pytest.raises(PortTakenError, match="already in use"):
            launch(start, lambda: False, 10)


def test_a_free_port_is_none_that_an_outgoing_connection_takes_nor_one_given_before() -> None:
    given = [free_port() for _ in range(150)]

    assert len(set(given)) == 150
    assert max(given) < 32_768, "Linux gives ports from there on to outgoing connections"


def test_another_port_is_tried_when_the_first_is_taken() -> None:
    tries: list[int] = []
    service = Service("redis", "redis://", 1, Path("/nowhere"), ())

    def attempt() -> Service:
        tries.append(1)
        if len(tries) < 3:
            raise PortTakenError("address already in use")
        return service

    assert with_other_ports(attempt) is service


def test_a_failed_start_shows_the_end_of_the_log(folder: Path) -> None:
    folder.mkdir()

    with pytest.raises(LocalServiceError, match=r"(?s)ended at once.*no such disk"):
        launch(_python(folder, "raise SystemExit('no such disk')"), lambda: False, 10)


def test_a_start_that_takes_too_long_is_given_up_and_ended(folder: Path) -> None:
    folder.mkdir()
    start = _python(folder, "import time; time.sleep(60)")

    with pytest.raises(LocalServiceError, match="not ready within"):
        launch(start, lambda: False, 0.5)

    assert not start.pid_file.exists()


def test_missing_packages_are_named_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_PROGRAMS", {"rabbitmq": "no-such-broker", "redis": "no-such-store"})

    missing = find_missing()

    assert missing == Missing(("rabbitmq-server", "redis-server"))
    assert "apt-get install -y rabbitmq-server redis-server" in str(missing)
    assert "docker compose" in str(missing)


def test_a_service_never_prints_its_password() -> None:
    service = Service("redis", "redis://:open-sesame@127.0.0.1/0", 1, Path("/nowhere"), ())

    assert "open-sesame" not in repr(service)


def _python(folder: Path, code: str) -> Start:
    return Start("script", [sys.executable, "-c", code], folder, {"PATH": "/usr/bin:/bin"}, Process.of(os.getpid()))


def _listening_addresses(service: Service) -> set[str]:
    """The local addresses of all listening sockets of the service's own processes, as the kernel prints them."""
    sockets = {
        link.readlink().name.removeprefix("socket:[").removesuffix("]")
        for guard in service.guards
        for child in Path(f"/proc/{guard.pid}/task/{guard.pid}/children").read_text().split()
        for link in Path(f"/proc/{child}/fd").iterdir()
        if str(link.readlink()).startswith("socket:")
    }
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return {row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}
