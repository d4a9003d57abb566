"""Remembers in this table which runbooks were run: with what, which steps were done and how to take them back, what was seen."""

from sqlalchemy import JSON, Column, String, Table, Text

from ledger.schema import IdType, Utc, metadata

runbook_runs = Table(
    "runbook_runs",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("name", String(48), nullable=False),
    Column("state", String(12), nullable=False),
    Column("given", JSON, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("checks", JSON, nullable=False),
    Column("by_whom", String(120), nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("undone_at", Utc),
)
