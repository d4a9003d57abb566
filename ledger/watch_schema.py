"""Remembers what is watched in these tables: alerts, the notices of them, and how the service levels were kept."""

from sqlalchemy import JSON, BigInteger, Column, Integer, String, Table, Text, text

from ledger.schema import IdType, Utc, metadata, partial_index

alerts = Table(
    "alerts",
    metadata,
    Column("fingerprint", String(32), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("summary", Text, nullable=False),
    Column("runbook", String(200), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("state", String(8), nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    Column("fired_at", Utc),
    Column("resolved_at", Utc),
    Column("told", String(8)),
    Column("told_at", Utc),
    Column("acked_by", String(80)),
    Column("acked_at", Utc),
    Column("quiet_until", Utc),
)

notices = Table(
    "notices",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("destination", String(40), nullable=False),
    Column("key", String(32), nullable=False),
    Column("body", JSON, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("told", String(200), nullable=False),
)

service_cursors = Table(
    "service_cursors",
    metadata,
    Column("flow", String(32), primary_key=True),
    Column("stage", String(8), primary_key=True),
    Column("last_id", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("parked", BigInteger, nullable=False),
)

service_minutes = Table(
    "service_minutes",
    metadata,
    Column("flow", String(32), primary_key=True),
    Column("minute", Utc, primary_key=True),
    Column("kept", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
)

_LIVE = text("state <> 'resolved'")
partial_index("ix_alerts_live", alerts.c.name, rows=_LIVE)
_WAITING = text("state = 'waiting'")
partial_index("ix_notices_waiting", notices.c.due_at, rows=_WAITING)
