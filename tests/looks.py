"""How a look at the ledger is made: the plan of each statement on SQLite, the rows read from tables as a whole on PostgreSQL."""

from collections.abc import Callable, Iterable

import psycopg
import sqlalchemy

from tests.tasks.world import World


def plans_of(world: World, look: Callable[[], object]) -> list[tuple[str, str]]:
    """Each line of the plan of every statement of ``look`` that goes by a condition, with the statement. On SQLite."""
    asked: list[tuple[str, object]] = []

    def hear(*told: object) -> None:
        asked.append((str(told[2]), told[3]))

    sqlalchemy.event.listen(world.ledger.engine, "before_cursor_execute", hear)
    look()
    sqlalchemy.event.remove(world.ledger.engine, "before_cursor_execute", hear)
    return [
        (line, statement)
        for statement, values in asked
        if statement.startswith(("SELECT", "UPDATE", "DELETE")) and not isinstance(values, list)
        for line in _plan(world, statement, values)
    ]


def read_as_a_whole(world: World, postgres_url: str, tables: Iterable[str], look: Callable[[], object]) -> dict[str, int]:
    """Rows that ``look`` had PostgreSQL read by going through a table, by table."""
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_stat_reset()")
    look()
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_stat_force_next_flush()")
    world.rows("SELECT pg_stat_force_next_flush()")
    read = {row[0]: row[1] for row in world.rows("SELECT relname, seq_tup_read FROM pg_stat_user_tables")}
    return {name: int(str(read[name])) for name in tables}


def _plan(world: World, statement: str, values: object) -> list[str]:
    with world.ledger.read() as session:
        rows = session.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
        return [str(row[3]) for row in rows]
