"""Alerts, notices of them, and how the service levels were kept."""

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0008"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "alerts",
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("runbook", sa.String(length=200), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("first_at", ledger.schema.Utc(timezone=True), nullable=False),
        sa.Column("seen_at", ledger.schema.Utc(timezone=True), nullable=False),
        sa.Column("fired_at", ledger.schema.Utc(timezone=True), nullable=True),
        sa.Column("resolved_at", ledger.schema.Utc(timezone=True), nullable=True),
        sa.Column("told", sa.String(length=8), nullable=True),
        sa.Column("told_at", ledger.schema.Utc(timezone=True), nullable=True),
        sa.Column("acked_by", sa.String(length=80), nullable=True),
        sa.Column("acked_at", ledger.schema.Utc(timezone=True), nullable=True),
        sa.Column("quiet_until", ledger.schema.Utc(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_alerts")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", ledger.schema.Utc(timezone=True), nullable=False),
        sa.Column("due_at", ledger.schema.Utc(timezone=True), nullable=False),
        sa.Column("ended_at", ledger.schema.Utc(timezone=True), nullable=True),
        sa.Column("told", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_table(
        "service_cursors",
        sa.Column("flow", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(length=8), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("kept", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("parked", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("flow", "stage", name=op.f("pk_service_cursors")),
    )
    op.create_table(
        "service_minutes",
        sa.Column("flow", sa.String(length=32), nullable=False),
        sa.Column("minute", ledger.schema.Utc(timezone=True), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("flow", "minute", name=op.f("pk_service_minutes")),
    )
    live, waiting = sa.text("state <> 'resolved'"), sa.text("state = 'waiting'")
    op.create_index("ix_alerts_live", "alerts", ["name"], unique=False, sqlite_where=live, postgresql_where=live)
    op.create_index("ix_notices_waiting", "notices", ["due_at"], unique=False, sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    """Take the step back."""
    for name in ("service_minutes", "service_cursors", "notices", "alerts"):
        op.drop_table(name)
