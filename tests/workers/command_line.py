"""Runs `millrace` for tests: in this process for what it says and its exit code, as a child for what only a process shows."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from workers.cli.main import app

MILLRACE = str(Path(sys.executable).with_name("millrace"))
SECRETS = {"MILLRACE_SECRET_SHOPIFY": "canary-1", "MILLRACE_SECRET_OPEN": "canary-2", "MILLRACE_SECRET_SANDBOX": "canary-3"}
AWAY = "amqp://nobody:canary-broker@127.0.0.1:1/"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """All of stdout as one JSON document."""
        return json.loads(self.out)


def millrace(*words: str, input: str | None = None, **settings: str) -> Ended:  # noqa: A002  as subprocess calls it
    """Run a command in this process with no setting but those given (``LEDGER_URL="..."``) and the fleet's secrets."""
    runner = CliRunner()
    done = runner.invoke(app, list(words), input, env=_environment(settings))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def child(*words: str, **settings: str) -> Ended:
    """Run a command as a process of its own."""
    environment = {name: value for name, value in (os.environ | _environment(settings)).items() if value is not None}
    done = subprocess.run([MILLRACE, *words], check=False, env=environment, capture_output=True, text=True, timeout=90)
    return Ended(done.returncode, done.stdout, done.stderr)


def at_a_terminal(*words: str, **settings: str) -> Ended:
    """Run a command as a process whose input is a terminal, on which nobody types."""
    environment = {name: value for name, value in (os.environ | _environment(settings)).items() if value is not None}
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [MILLRACE, *words], stdin=theirs, check=False, env=environment, capture_output=True, text=True, timeout=90
        )
    finally:
        os.close(theirs)
        os.close(ours)
    return Ended(done.returncode, done.stdout, done.stderr)


def every_command() -> Iterator[tuple[str, ...]]:
    """Every noun and every verb, as words."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    yield from _below((), root)


def _below(words: tuple[str, ...], group: TyperGroup) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*words, name)
        if isinstance(command, TyperGroup):
            yield from _below((*words, name), command)


def _environment(settings: dict[str, str]) -> dict[str, str | None]:
    silent: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("MILLRACE_"))
    return silent | SECRETS | {name if name.startswith("MILLRACE_") else f"MILLRACE_{name}": v for name, v in settings.items()}
