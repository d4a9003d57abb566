"""Remembers in these tables which rows were moved to another class by hand, and what they were before."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from ledger.schema import IdType, Utc, metadata

moves = Table(
    "moves",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("state", String(8), nullable=False),
    Column("filter", JSON, nullable=False),
    Column("class", String(8), nullable=False),
    Column("by_whom", String(120), nullable=False),
    Column("why", Text, nullable=False),
    Column("events_until", BigInteger, nullable=False),
    Column("deliveries_until", BigInteger, nullable=False),
    Column("moved", Integer, nullable=False),
    Column("back", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("undone_at", Utc),
)

move_items = Table(
    "move_items",
    metadata,
    Column("move_id", IdType, ForeignKey("moves.id"), primary_key=True),
    Column("stage", String(8), primary_key=True),
    Column("row_id", IdType, primary_key=True, autoincrement=False),
    Column("class_before", String(8), nullable=False),
    Column("moved_to_before", String(8)),
    Column("state", String(8), nullable=False),
    Index("ix_move_items_row", "stage", "row_id"),
)
