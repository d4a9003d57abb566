"""Migrations: the tables that they make are the tables of the schema, on both databases; repeating is harmless."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ledger import migrate
from ledger.schema import metadata
from ledger.session import Ledger


def test_the_migrations_make_exactly_the_schema(ledger_url: str) -> None:
    opened = Ledger(ledger_url)
    migrate.upgrade(opened)

    with opened.read() as session:
        differences = compare_metadata(MigrationContext.configure(session, opts={"compare_type": False}), metadata)
    opened.close()

    assert differences == []


def test_an_upgrade_twice_changes_nothing(ledger_url: str) -> None:
    opened = Ledger(ledger_url)

    assert migrate.current(opened) is None
    assert migrate.upgrade(opened) == (None, migrate.newest())
    assert migrate.upgrade(opened) == (migrate.newest(), migrate.newest())
    opened.close()


def test_two_upgrades_at_once_make_one(ledger_url: str) -> None:
    def upgrade(_: int) -> str:
        opened = Ledger(ledger_url)
        try:
            return migrate.upgrade(opened)[1]
        finally:
            opened.close()

    with ThreadPoolExecutor(2) as two:
        assert set(two.map(upgrade, range(2))) == {migrate.newest()}


def test_a_ledger_of_a_newer_release_is_refused(ledger_url: str) -> None:
    opened = Ledger(ledger_url)
    migrate.upgrade(opened)
    with opened.write() as session:
        session.exec_driver_sql("update alembic_version set version_num = '9999'")

    with pytest.raises(migrate.LedgerTooNewError, match="newer release"):
        migrate.upgrade(opened)
    opened.close()
