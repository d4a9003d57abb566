"""Remembers which shape the tables have: migrates them forward, and tells when they are behind the code."""

from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ledger import actions
from ledger.actions import Action, Actor
from ledger.session import Ledger

_FOLDER = Path(__file__).with_name("migrations")


class LedgerTooNewError(Exception):
    """The tables were made by a newer release than this one: install that release, or restore an older copy."""


def upgrade(ledger: Ledger, by: tuple[Actor, datetime] | None = None) -> tuple[str | None, str]:
    """Bring the tables to the newest shape; returns the revision before and after. Safe to repeat and to run twice at once
    on PostgreSQL, where a lock lets one run at a time. ``by``: who does it and when, noted in the new tables if anything changed.
    """
    config = _config()
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    with ledger.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727274001)")
        before, after = MigrationContext.configure(connection).get_current_revision(), newest()
        if before is not None and before not in known:
            raise LedgerTooNewError(f"the ledger is at {before}, this release knows up to {after}: install the newer release")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if by is not None and before != after:
            who, at = by
            done = Action(at, who.by, "db.upgrade", "ledger", who.why, {"revision": before}, {"revision": after}, who.role)
            actions.write(connection, done)
    return before, after


def current(ledger: Ledger) -> str | None:
    """Revision the tables have; None for an empty database."""
    with ledger.read() as session:
        return MigrationContext.configure(session).get_current_revision()


def newest() -> str:
    """Revision this code was written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("no migrations are shipped with this installation; install it again")
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config
