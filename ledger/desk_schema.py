"""Remembers the failure desk in these tables: cases, edits, jobs with their items. Written only when something fails."""

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from ledger.schema import IdType, Utc, metadata, partial_index

cases = Table(
    "cases",
    metadata,
    Column("stage", String(8), primary_key=True),
    Column("row_id", IdType, primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    Column("times", Integer, nullable=False),
    Column("class", String(16), nullable=False),
    Column("code", String(80), nullable=False),
    Column("cause", String(200), nullable=False),
    Column("fingerprint", String(16), nullable=False),
    Column("source", String(48), nullable=False),
    Column("target", String(48), nullable=False),
    Column("operation", String(120), nullable=False),
    Column("entity", String(300)),
    Column("business_key", String(300), nullable=False),
    Column("currency", String(3)),
    Column("amount_micros", BigInteger),
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
    Column("assigned_to", String(80)),
    Column("due_at", Utc),
    Column("closed_at", Utc),
)

edits = Table(
    "edits",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("stage", String(8), nullable=False),
    Column("row_id", IdType, nullable=False),
    Column("document_id", IdType, ForeignKey("documents.id")),
    Column("base_version", Integer),
    Column("version", Integer),
    Column("original", LargeBinary),
    Column("paths", JSON, nullable=False),
    Column("by_whom", String(80), nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Index("ix_edits_row", "stage", "row_id"),
    Index("ix_edits_document", "document_id", "version"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("state", String(8), nullable=False),
    Column("filter", JSON, nullable=False),
    Column("patch", JSON, nullable=False),
    Column("ramp", JSON, nullable=False),
    Column("rung", Integer, nullable=False),
    Column("rate_per_s", Float, nullable=False),
    Column("stop_above", Float, nullable=False),
    Column("patience_s", Float, nullable=False),
    Column("by_whom", String(80), nullable=False),
    Column("why", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("last_out_at", Utc),
    Column("ended_at", Utc),
    Column("lease", String(32)),
    Column("lease_until", Utc),
)

job_items = Table(
    "job_items",
    metadata,
    Column("job_id", IdType, ForeignKey("jobs.id"), primary_key=True),
    Column("stage", String(8), primary_key=True),
    Column("row_id", IdType, primary_key=True, autoincrement=False),
    Column("times", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("rung", Integer),
    Column("told", Text),
    Column("out_at", Utc),
    Index("ix_job_items_state", "job_id", "state", "stage", "row_id"),
)

_OPEN = text("state = 'open'")
partial_index("ix_cases_open", cases.c.fingerprint, cases.c.target, cases.c.operation, rows=_OPEN)
_LIVE = text("state IN ('running', 'paused')")
partial_index("ix_jobs_live", jobs.c.id, rows=_LIVE)
