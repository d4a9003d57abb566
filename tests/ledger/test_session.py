"""The ledger's connections to PostgreSQL: an idle one is asked whether it works, and no statement of an order reads a table."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import text

from ledger import events
from ledger import session as sessions
from ledger.events import NewEvent
from ledger.session import Ledger
from tests.documents import a_shipment, an_order
from tests.tasks.world import World, a_world

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
MAX_READ_AN_ORDER = 50
"""Index entries for an order that is prepared and delivered: twice what was seen (22 to 28)."""


def lose_connections(url: str) -> None:
    """End every connection to the database but our own, as a server that restarts does."""
    with psycopg.connect(url, autocommit=True) as other:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())


def test_a_connection_that_was_lost_while_it_was_idle_is_replaced_unseen(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "IDLE_S", 0.0)
    opened = Ledger(postgres_url)
    with opened.write() as session:
        session.execute(text("SELECT 1"))
    lose_connections(postgres_url)

    with opened.write() as session:
        assert session.execute(text("SELECT 1")).scalar_one() == 1
    opened.close()


def test_one_that_was_lost_in_the_midst_of_work_is_told_once_and_then_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "IDLE_S", 3600.0)
    opened = Ledger(postgres_url)
    with opened.write() as session:
        session.execute(text("SELECT 1"))
    lose_connections(postgres_url)

    with pytest.raises(sessions.LedgerUnavailable), opened.write() as session:
        session.execute(text("SELECT 1"))
    with opened.write() as session:
        assert session.execute(text("SELECT 1")).scalar_one() == 1
    opened.close()


def test_no_statement_on_an_orders_way_reads_a_whole_table(postgres_url: str) -> None:
    with a_world(postgres_url) as world:
        for number in range(12):
            world.prepare(*world.tell(*(an_order(f"{number}-{part}") for part in range(20))))
            world.work()
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_stat_force_next_flush()")
        world.rows("SELECT pg_stat_force_next_flush()")
        read = {row[0]: row[1] for row in world.rows("SELECT relname, seq_tup_read FROM pg_stat_user_tables")}

    assert {name: read[name] for name in ("events", "documents", "document_versions", "deliveries", "attempts")} == {
        "events": 0, "documents": 0, "document_versions": 0, "deliveries": 0, "attempts": 0,
    }  # fmt: skip


@pytest.mark.parametrize("looked_through", [False, True])
def test_what_an_order_reads_grows_neither_with_the_orders_before_it_nor_with_those_behind_it(
    postgres_url: str, looked_through: bool
) -> None:
    with a_world(postgres_url) as world:
        _leave_statistics_to_us(postgres_url)
        read = [_read_by_key(world, batch) for batch in range(2)]
        if looked_through:
            _gather_statistics(postgres_url)
        read += [_read_by_key(world, batch) for batch in range(2, 12)]
        told = world.rows("SELECT count(*) FROM events")[0][0]

    # The database changes its ways as tables grow or are looked through: a step between two small numbers, which is not
    # judged. One look through what lies before or behind an order would be hundreds of entries an order at the end.
    assert told == 12 * 40
    assert max(read) <= MAX_READ_AN_ORDER * 20


@pytest.mark.parametrize("looked_through", [False, True])
def test_what_a_settled_delivery_lets_go_is_found_without_reading_what_waits_behind_others(
    postgres_url: str, looked_through: bool
) -> None:
    with a_world(postgres_url) as world:
        _leave_statistics_to_us(postgres_url)
        read = [_read_to_let_one_go(world, batch) for batch in range(2)]
        if looked_through:
            _gather_statistics(postgres_url)
        read += [_read_to_let_one_go(world, batch) for batch in range(2, 8)]
        waiting = world.rows("SELECT count(*) FROM deliveries WHERE state = 'waiting'")[0][0]

    assert waiting == 8 * 40
    assert max(read) <= MAX_READ_AN_ORDER * 2


def test_no_index_is_summed_up_by_block_where_rows_are_written_again(postgres_url: str) -> None:
    ways = (
        "SELECT DISTINCT pg_am.amname FROM pg_index JOIN pg_class ON pg_class.oid = pg_index.indexrelid"
        " JOIN pg_am ON pg_am.oid = pg_class.relam JOIN pg_class AS told ON told.oid = pg_index.indrelid"
        " WHERE told.relname IN ('events', 'documents', 'deliveries')"
    )
    with a_world(postgres_url) as world:
        found = {str(row[0]) for row in world.rows(ways)}

    # A block's summary is some KB, and written anew with each row that is put into it: five times the price of an order.
    assert found <= {"btree", "hash"}


def test_any_bytes_and_any_headers_are_loaded_as_they_were_accepted(postgres_url: str) -> None:
    headers = {"x-title": 'Grün 🍏 " \\', "x-empty": ""}
    told = NewEvent("shopify", "e-1", "told", "orders", "normal", headers, bytes(range(256)), "trace-1", NOW)
    with a_world(postgres_url) as world, world.ledger.write() as session:
        [receipt] = events.accept(session, [told])
        [found] = events.load(session, [receipt.id])

    assert (found.body, found.headers, found.received_at) == (told.body, headers, NOW)
    assert found.received_at.utcoffset() == timedelta(0)


def test_a_header_with_half_a_character_is_refused_by_the_ledger_and_not_by_a_fault_of_ours(postgres_url: str) -> None:
    told = NewEvent("shopify", "e-1", "told\ud800", "orders", "normal", {}, b"{}", "trace-1", NOW)

    with a_world(postgres_url) as world, pytest.raises(sessions.LedgerUnavailable), world.ledger.write() as session:
        events.accept(session, [told])


def test_a_header_with_half_a_character_that_sqlite_took_is_read_back_as_it_was_told(tmp_path: Path) -> None:
    headers = {"x-title": "half \ud83d"}
    told = NewEvent("shopify", "e-1", "told", "orders", "normal", headers, b"{}", "trace-1", NOW)
    with a_world(f"sqlite:///{tmp_path / 'ledger.db'}") as world, world.ledger.write() as session:
        [receipt] = events.accept(session, [told])
        [found] = events.load(session, [receipt.id])

    assert found.headers == headers


def _leave_statistics_to_us(url: str) -> None:
    """So that it is never in the midst of a count that the database takes to other ways by itself."""
    with psycopg.connect(url, autocommit=True) as other:
        for (table,) in other.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ):
            other.execute(SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(Identifier(table)))


def _gather_statistics(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("ANALYZE")


def _read_by_key(world: World, batch: int) -> int:
    """Index entries that were read while twenty orders were prepared and delivered; twenty more are told and left."""
    before = _entries_read(world)
    world.prepare(*world.tell(*(an_order(f"{batch}-{part}") for part in range(20))))
    world.work()
    read = _entries_read(world) - before
    world.tell(*(an_order(f"left-{batch}-{part}") for part in range(20)))
    return read


def _read_to_let_one_go(world: World, batch: int) -> int:
    """Index entries that were read while an order was posted and its shipment after it; forty more shipments wait for orders that
    nobody posts.
    """
    names = [f"held-{batch}-{part}" for part in range(40)]
    world.prepare(*world.tell(*(an_order(name) for name in names)))
    world.prepare(*world.tell(*(a_shipment(name, order_key=name) for name in names)))
    world.tray.lose_all()
    world.prepare(*world.tell(an_order(f"gone-{batch}")))
    world.prepare(*world.tell(a_shipment(f"gone-{batch}", order_key=f"gone-{batch}")))
    before = _entries_read(world)
    world.work()
    return _entries_read(world) - before


def _entries_read(world: World) -> int:
    # Each of the ledger's connections flushes its own counts.
    with world.ledger.write() as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
    tables = "('events', 'documents', 'document_versions', 'deliveries')"
    read = world.rows(f"SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN {tables}")
    return int(str(read[0][0]))
