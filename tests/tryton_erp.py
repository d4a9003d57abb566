"""A real Tryton for the tests: started once a session on free ports, put back to its seed on demand, stopped at the end.

What takes long is kept in pytest's cache folder: the ERP's own virtual environment and its seeded database. Each session
runs on a copy in a temporary folder, so sessions never share a running ERP.
"""

import fcntl
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from adapters.erps.base import Account
from tests.live import wait_until

SHARED = Path(__file__).parents[1] / ".." / "shared" / "tryton"
MOST_START_S = 600
LOGIN = ("fleet", "fleet-test-pw-1")
"""The seeded integration user."""


class TrytonErp:
    """The running ERP and what a test may do to it. ``ids`` are the seed's record ids by name."""

    def __init__(self, folder: Path, base_port: int) -> None:
        self._folder = folder
        self._base = base_port
        facts = self._up()
        self.url: str = facts["url"]
        self.throttled_url: str = facts["throttled_url"]
        self.key: str = facts["key"]
        self.maintenance = Path(facts["maintenance_file"])
        self.postgres: str = facts["postgres"]
        self.ids: dict[str, Any] = facts["ids"]

    def account(self, url: str | None = None, *, answer_timeout_s: float = 60.0, key: str | None = None) -> Account:
        """The seeded company as a target of fleet.toml describes it, through ``url`` or the ERP's own."""
        return Account("tryton", url or self.url, key or self.key, 60.0, answer_timeout_s, self.options())

    def options(self) -> dict[str, str | int | float | bool]:
        """The target's options for the seeded company."""
        ids = self.ids
        return {
            "company": ids["company"],
            "shop": ids["shop"],
            "warehouse": ids["warehouse"],
            "payment_term": ids["payment_term"],
            "party": ids["party"],
            "address": ids["address"],
            "currencies": f"USD:{ids['currency']}",
            "unit": ids["unit"],
            "charge_product": ids["products"]["SHIPPING"],
        }

    def rest(self, method: str, path: str, body: object = None) -> Any:
        """One request past the adapter, to prepare or to look; the raw answer."""
        context = "eyJjb21wYW55IjogMX0="
        headers = {"authorization": f"bearer {self.key}", "x-tryton-context": context, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/model/{path}", data=data, headers=headers, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def tax(self, name: str, rate: str) -> int:
        """Id of a new tax of this rate (a fraction), otherwise as the seeded one: the integration user may make none."""
        quoted = name.replace("'", "''")
        [made] = self.sql(
            f"create temp table made as select * from account_tax where id = {self.ids['tax']};"
            " update made set id = nextval(pg_get_serial_sequence('account_tax', 'id')),"
            f" rate = {rate}, name = '{quoted}', description = '{quoted}';"
            " insert into account_tax select * from made returning id"
        )
        return int(made)

    def sql(self, statement: str) -> list[str]:
        """Rows of a statement on the ERP's database, columns joined by ``|``."""
        psql = max(Path("/usr/lib/postgresql").glob("*/bin/psql"))
        done = subprocess.run([psql, self.postgres, "-qAtc", statement], check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.split("\n")[:-1]

    def psql(self, script: str) -> "subprocess.Popen[bytes]":
        """A session that runs a script by itself, such as one that holds a lock for a while."""
        psql = max(Path("/usr/lib/postgresql").glob("*/bin/psql"))
        return subprocess.Popen([psql, self.postgres, "-qAtc", script], stdout=subprocess.DEVNULL)

    def reset(self) -> None:
        """Put the data back to the seed and start again (some seconds)."""
        self.maintenance.unlink(missing_ok=True)
        self._down("--reset")
        self._up()

    def restart(self) -> None:
        """Stop and start the ERP with its data, so that it forgets what it has cached."""
        self._down()
        self._up()

    def stop(self) -> None:
        """Stop what was started."""
        self._down()

    def _down(self, *how: str) -> None:
        pid = self._folder / "gunicorn.pid"
        number = pid.read_text().strip() if pid.exists() else ""
        _run(SHARED / "down", self._folder, *how)
        # It finishes its requests first; started again too early, the old one would be taken for the new one.
        wait_until(lambda: not number or not Path(f"/proc/{number}").exists(), 30, "the end of the ERP's server")
        pid.unlink(missing_ok=True)

    def _up(self) -> dict[str, Any]:
        _run(SHARED / "up", self._folder, str(self._base))
        facts: dict[str, Any] = json.loads((self._folder / "facts.json").read_text())
        return facts


@contextmanager
def running_tryton(cache: Path) -> Iterator[TrytonErp]:
    """A Tryton for the time of the block, from what ``cache`` keeps."""
    seed = _seed(cache)
    folder = Path(tempfile.mkdtemp(prefix="tryton-"))
    folder.chmod(0o755)
    base = _free_ports()
    erp = None
    try:
        _copy(seed, folder, base)
        erp = TrytonErp(folder, base)
        yield erp
    finally:
        if erp is not None:
            erp.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def tryton(pytestconfig: pytest.Config) -> Iterator[TrytonErp]:
    """The real ERP; skipped only where the shared folder with its starter is absent."""
    if not (SHARED / "up").exists():
        pytest.skip("the folder that starts Tryton is absent")
    cache = pytestconfig.cache
    assert cache is not None
    with running_tryton(cache.mkdir("tryton")) as erp:
        yield erp


def _seed(cache: Path) -> Path:
    """Folder with the virtual environment and a stopped, seeded cluster; made once for each version of the starter."""
    digest = hashlib.sha256(b"".join((SHARED / name).read_bytes() for name in ("up", "seed.py", "requirements.lock")))
    seed = cache / digest.hexdigest()[:16]
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (seed / "complete").exists():
            shutil.rmtree(seed, ignore_errors=True)
            seed.mkdir()
            _make_seed(seed)
    return seed


def _make_seed(seed: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="tryton-seed-"))
    folder.chmod(0o755)
    try:
        # Scripts of a virtual environment name its folder: it is made where it stays.
        subprocess.run(["python3", "-m", "venv", seed / "venv"], check=True, timeout=MOST_START_S)
        lock = SHARED / "requirements.lock"
        subprocess.run([seed / "venv/bin/pip", "install", "-qq", "-r", lock], check=True, timeout=MOST_START_S)
        (folder / "venv").symlink_to(seed / "venv")
        _run(SHARED / "up", folder, str(_free_ports()))
        _run(SHARED / "down", folder)
        for name in ("pg", "ids.json"):
            _cp(folder / name, seed / name)
        (seed / "complete").touch()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(seed: Path, folder: Path, base: int) -> None:
    for name in ("pg", "ids.json"):
        _cp(seed / name, folder / name)
    (folder / "venv").symlink_to(seed / "venv")
    settings = folder / "pg" / "postgresql.conf"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("port=")]
    settings.write_text("\n".join([*lines, f"port={base + 2}", "fsync=off", ""]))


def _cp(source: Path, to: Path) -> None:
    # Keeps the owner: PostgreSQL refuses a folder of somebody else.
    subprocess.run(["cp", "-a", source, to], check=True, timeout=MOST_START_S)


def _run(program: Path, *args: str | Path) -> None:
    """Run a starter's script to its end. Its services outlive it, so its output goes to a file and not to a pipe."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [program, *args], stdout=output, stderr=output, stdin=subprocess.DEVNULL, timeout=MOST_START_S, check=False
        )
        output.seek(0)
        assert done.returncode == 0 or program.name == "down", output.read().decode(errors="replace")[-2_000:]


def _free_ports() -> int:
    """First of three free neighbouring ports."""
    draw = random.Random(os.getpid())
    for _ in range(200):
        base = draw.randrange(21_000, 31_000)
        if all(_free(base + n) for n in range(3)):
            return base
    raise RuntimeError("no three free neighbouring ports between 21000 and 31000")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
