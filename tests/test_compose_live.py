"""Live: each service's command by hand on real services: it gets healthy by its own check, and a signal ends it."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose_file import ROOT, Compose, Service, read_compose
from tests.live import Rabbit, wait_until
from tests.workers.command_line import millrace
from workers.local.service import free_port

BIN = Path(sys.executable).parent
READY_S, STOP_S = 60, 30
WORKING = ["receiver", "relay", "recorder", "worker-prepare", "worker-deliver", "console", "flower", "sandbox"]


@pytest.fixture
def secrets(rabbit: Rabbit, postgres_url: str, redis_url: str, tmp_path: Path) -> Path:
    """Secrets as `deploy/make-secrets` makes them, with the addresses of this machine's services."""
    folder = tmp_path / "secrets"
    subprocess.run([ROOT / "deploy/make-secrets", folder], check=True, capture_output=True)
    urls = {
        "broker_url": rabbit.url,
        "broker_api_url": f"{rabbit.api_url}/api/",
        "ledger_url": postgres_url,
        "redis_url": redis_url,
    }
    for name, url in urls.items():
        (folder / name).unlink()
        (folder / name).write_text(url)
    return folder


def on_this_machine(secrets: Path, place: Path) -> Compose:
    """The file as it stands, with paths and ports of this machine in place of a container's."""
    place.mkdir()
    ports = {port: str(free_port()) for port in ("8700", "8755", "8760", "8790", "9100")}
    paths = {"/run/secrets/": f"{secrets}/", "/etc/millrace/": f"{ROOT / 'config'}/", "/tmp": str(place), "0.0.0.0": "127.0.0.1"}
    return read_compose(ports | {"http://sandbox:": "http://127.0.0.1:"} | paths)


def environment_of(service: Service) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return kept | service.environment | {"PATH": f"{BIN}:{ROOT / 'deploy'}:{os.environ['PATH']}"}


@contextlib.contextmanager
def running(service: Service, place: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The service's process; killed at the end if it is still there."""
    words = [str(BIN / "millrace"), *service.command]
    with (place / "output").open("wb") as output:
        process = subprocess.Popen(words, env=environment_of(service), cwd=place, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def healthy(service: Service, place: Path) -> bool:
    """What its own health check says."""
    assert service.healthcheck.test[0] == "CMD"
    done = subprocess.run(service.healthcheck.test[1:], check=False, env=environment_of(service), cwd=place, capture_output=True)
    return done.returncode == 0


def migrate(service: Service) -> "subprocess.CompletedProcess[str]":
    assert service.entrypoint == ["/bin/sh", "-c"]
    words = [*service.entrypoint, *service.command]
    return subprocess.run(words, check=False, env=environment_of(service), capture_output=True, text=True, timeout=120)


def test_migrating_makes_tables_and_topology_and_again_is_harmless(secrets: Path, tmp_path: Path) -> None:
    service = on_this_machine(secrets, tmp_path / "here").services["migrate"]

    first, again = migrate(service), migrate(service)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "ledger went from empty to" in first.stderr
    assert "deliver.sandbox.orders.high" in first.stdout


@pytest.mark.parametrize("name", WORKING)
def test_the_service_gets_healthy_and_a_signal_ends_it(name: str, secrets: Path, tmp_path: Path) -> None:
    place = tmp_path / "here"
    service = on_this_machine(secrets, place).services[name]
    url = {one: (secrets / f"{one}_url").read_text() for one in ("ledger", "broker")}
    assert millrace("db", "upgrade", LEDGER_URL=url["ledger"]).code == 0
    assert millrace("topology", "declare", BROKER_URL=url["broker"]).code == 0

    before = healthy(service, place)
    with running(service, place) as process:
        wait_until(lambda: healthy(service, place) or process.poll() is not None, READY_S, f"{name} is healthy")
        alive = process.poll() is None
        process.terminate()
        code = process.wait(STOP_S)

    told = (place / "output").read_text()
    assert (before, alive, code) == (False, True, 0), told
    assert not [secret for secret in ("operator:", "whsec_", *passwords(secrets)) if secret in told]
    # Celery's parting word is the one line that passes by every logger.
    assert all(line.startswith("{") for line in told.splitlines() if line and "Warm shutdown" not in line), told


def passwords(secrets: Path) -> list[str]:
    from urllib.parse import urlsplit

    found = [urlsplit((secrets / name).read_text()).password for name in ("broker_url", "broker_api_url", "ledger_url")]
    return [password for password in found if password and password != "millrace"]


@pytest.mark.parametrize("name", WORKING)
def test_every_program_a_health_check_calls_is_shipped(name: str) -> None:
    program = read_compose().services[name].healthcheck.test[1]

    assert shutil.which(program, path=str(ROOT / "deploy"))
