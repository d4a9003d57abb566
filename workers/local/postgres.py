"""Runs a private PostgreSQL: loopback, with a password; as the user ``postgres`` where we are root."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from workers.local.packages import program
from workers.local.process import Process
from workers.local.service import (
    PATH,
    LocalServiceError,
    Service,
    Start,
    answers,
    folder_for,
    free_port,
    launch,
    owner_or_me,
    secret_in,
    with_other_ports,
    write_private,
)

READY_S = 30
INIT_S = 60
USER = "millrace"
ACCOUNT = "postgres"
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8"}


def start_postgres(folder: Path | None = None, owner: Process | None = None, *, durable: bool = True) -> Service:
    """Start it in ``folder`` (kept) or a temporary one (removed at the end); ``durable=False`` leaves out fsync.

    It ends when ``owner`` does (default: this process). Raises LocalServiceError.
    """
    with folder_for("postgres", folder) as (place, temporary):
        return with_other_ports(lambda: _start(place, temporary, owner_or_me(owner), durable=durable))


def _start(place: Path, temporary: Path | None, owner: Process, *, durable: bool) -> Service:
    server = program("postgres")
    account = ACCOUNT if os.geteuid() == 0 else None
    data, password = place / "data", secret_in(place)
    if not (data / "PG_VERSION").exists():
        _initialise(data, password, account)
    port = free_port()
    start = Start(
        name="postgres",
        command=[server, "-D", str(data), *_settings(port, durable=durable)],
        folder=place,
        environment=ENVIRONMENT,
        owner=owner,
        user=account,
        ending=signal.SIGINT,
        remove=temporary,
    )
    guard, pid = launch(start, lambda: answers(port) and _says_ready(data), READY_S)
    return Service(
        "postgres",
        f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres",
        pid,
        place,
        (guard,),
        temporary=temporary is not None,
    )


def _settings(port: int, *, durable: bool) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "log_min_messages": "warning",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _initialise(data: Path, password: str, account: str | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    word = data.with_name("initial-password")
    write_private(word, password)
    if account:
        entry = pwd.getpwnam(account)
        data.parent.chmod(0o711)  # the account must pass through to its own folder
        for path in (data, word):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    command = [program("initdb"), "-D", str(data), "-U", USER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    command += ["--auth=scram-sha-256", f"--pwfile={word}"]
    done = subprocess.run(
        command, env=ENVIRONMENT, user=account, group=account, extra_groups=[] if account else None, cwd=data.parent,
        capture_output=True, text=True, timeout=INIT_S, check=False,
    )  # fmt: skip
    word.unlink()
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        who = f"; is every folder above {data} open to the user {account}?" if account else ""
        raise LocalServiceError(f"initdb could not prepare {data}{who}\n{done.stderr.strip()}")


def _says_ready(data: Path) -> bool:
    """True once its own status line says so: it opens the port before it takes connections."""
    lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    return bool(lines) and lines[-1].strip() == "ready"
