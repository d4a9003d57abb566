"""Runs what every command needs first: checked settings, an open ledger, a context; each failure with its remedy.

Imports live inside the functions here and in the commands, so that `millrace --help` answers before the database
toolkit is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    return Ledger(url)


def broker_url(loaded: Settings) -> str:
    """The broker's URL; without one the command says how to name it."""
    url = loaded.broker_url.get_secret_value()
    if not url:
        fail("MILLRACE_BROKER_URL is not set; for a running `millrace up` source the env file it printed", Exit.USAGE)
    return url


@contextmanager
def reading() -> Iterator[Session]:
    """A read transaction on the configured ledger."""
    from ledger.session import LedgerUnavailable

    ledger = open_ledger(settings())
    try:
        with ledger.read() as session:
            yield session
    except LedgerUnavailable as error:
        fail(f"the ledger does not answer: {_first_line(error)}; is it up, and migrated (millrace db upgrade)?", Exit.UNAVAILABLE)
    finally:
        ledger.close()


@contextmanager
def context() -> Iterator[Context]:
    """A full context for commands that change something."""
    from config.nearest import ConfigError
    from config.settings import load_secrets
    from ledger.session import LedgerUnavailable
    from workers.bootstrap import build_context, close_context

    loaded = settings()
    open_ledger(loaded).close()
    broker_url(loaded)
    try:
        built = build_context(loaded, load_secrets())
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    try:
        yield built
    except LedgerUnavailable as error:
        fail(f"the ledger does not answer: {_first_line(error)}; nothing was changed", Exit.UNAVAILABLE)
    finally:
        close_context(built)


def _first_line(error: BaseException) -> str:
    # The driver's message names host and port on its first line; the statement and its values come after.
    return str(error).partition("\n")[0][:200]
