"""Runs migrations on the connection that `ledger.migrate` hands over; alembic's own command line is not used."""

from alembic import context

# their tables are part of the shape
from ledger import (  # noqa: F401
    desk_schema,
    journey_schema,
    move_schema,
    peak_schema,
    runbook_schema,
    settlement_schema,
    stock_schema,
    watch_schema,
)
from ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
