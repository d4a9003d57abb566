"""Remembers peak profiles in these tables: every change of what is in force, and what is to come into force when."""

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text, text

from ledger.schema import IdType, Utc, metadata, partial_index

peak_changes = Table(
    "peak_changes",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("by", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("action", String(12), nullable=False),
    Column("name", String(48)),
    Column("profile", JSON),
    Column("before_name", String(48)),
    Column("before_profile", JSON),
    Column("before_since", Utc),
    Column("ends_at", Utc),
    # How far the standing backlog was put under it: a place in it, then how many rows were moved and since when all are.
    Column("place", String(40), nullable=False),
    Column("moved", Integer, nullable=False),
    Column("settled_at", Utc),
    partial_index("ix_peak_changes_unsettled", "id", rows=text("settled_at IS NULL")),
)

peak_schedule = Table(
    "peak_schedule",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("name", String(48), nullable=False),
    Column("profile", JSON, nullable=False),
    Column("starts_at", Utc, nullable=False),
    Column("ends_at", Utc),
    Column("zone", String(64), nullable=False),
    Column("by", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("state", String(12), nullable=False),
    Column("settled_at", Utc),
    Index("ix_peak_schedule_state", "state", "starts_at"),
)
