"""Runs what every command needs first: checked settings, an open ledger, a context; each failure with its remedy.

Imports live inside the functions here and in the commands, so that `millrace --help` answers before the database
toolkit is loaded.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from workers.cli.exits import Exit
from workers.cli.output import fail

if TYPE_CHECKING:
    from config.settings import Settings
    from ledger.session import Ledger, Session
    from tasks.context import Context


def settings() -> Settings:
    """The settings in force; a wrong one ends the command with code 2."""
    from config.nearest import ConfigError
    from config.settings import load_settings

    try:
        loaded = load_settings()
        loaded.fleet  # noqa: B018  the fleet file is checked now, not in the middle of a command
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    return loaded


def open_ledger(loaded: Settings) -> Ledger:
    """The ledger the settings name; without one the command says how to name it."""
    from ledger.session import Ledger

    url = loaded.ledger_url.get_secret_value()
    if not url:
        fail("MILLRACE_LEDGER_URL is not set; for a running `millrace up` source the env file it printed", Exit.USAGE)
    try:
        return Ledger(url, audit_keys=loaded.audit_keys)
    except Exception as error:  # noqa: BLE001  whatever is wrong with the URL; its text may hold a password and is not shown
        fail(
            f"MILLRACE_LEDGER_URL cannot be used ({type(error).__name__}): write sqlite:///path or postgresql://user@host/name",
            Exit.USAGE,
        )


def broker_url(loaded: Settings) -> str:
    """The broker's URL; without one the command says how to name it."""
    url = loaded.broker_url.get_secret_value()
    if not url:
        fail("MILLRACE_BROKER_URL is not set; for a running `millrace up` source the env file it printed", Exit.USAGE)
    if not _is_broker_url(url):
        fail("MILLRACE_BROKER_URL cannot be used: write amqp://user:password@host:port/vhost, or amqps://", Exit.USAGE)
    return url


def listenable(host: str, port: int) -> None:
    """Fails with what the system says if nobody can listen there: the server's own answer would be a stack trace."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        fail(f"cannot listen on {host} port {port}: {error.strerror}", Exit.FAILED)


@contextmanager
def changing(loaded: Settings) -> Iterator[Session]:
    """A write transaction on the configured ledger."""
    with told_if_away("nothing was changed"), closing(open_ledger(loaded)) as ledger, ledger.write() as session:
        yield session


@contextmanager
def reading() -> Iterator[Session]:
    """A read transaction on the configured ledger."""
    remedy = "is it up, and migrated (millrace db upgrade)?"
    with told_if_away(remedy), closing(open_ledger(settings())) as ledger, ledger.read() as session:
        yield session


@contextmanager
def context() -> Iterator[Context]:
    """A full context for commands that change something."""
    from config.nearest import ConfigError
    from config.settings import load_secrets
    from workers.bootstrap import build_context, close_context

    loaded = settings()
    open_ledger(loaded).close()
    broker_url(loaded)
    try:
        built = build_context(loaded, load_secrets())
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    try:
        with told_if_away("nothing was changed"):
            yield built
    finally:
        close_context(built)


def explained(error: ValueError | OSError) -> tuple[str, Exit] | None:
    """What to say of an error that the person's input or machine caused; None for one of our own."""
    from config.nearest import ConfigError

    if isinstance(error, ConfigError):
        return str(error), Exit.USAGE
    if isinstance(error, UnicodeError):
        return "an argument is not valid text (UTF-8)", Exit.USAGE
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}", Exit.FAILED
    return None


@contextmanager
def told_if_away(remedy: str) -> Iterator[None]:
    """Ends the command with code 69 and what to do when the ledger does not answer."""
    from ledger.session import LedgerUnavailable

    try:
        yield
    except LedgerUnavailable as error:
        fail(f"the ledger does not answer: {_first_line(error)}; {remedy}", Exit.UNAVAILABLE)


def _is_broker_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _first_line(error: BaseException) -> str:
    # The driver's message names host and port on its first line; the statement and its values come after.
    return str(error).partition("\n")[0][:200]
