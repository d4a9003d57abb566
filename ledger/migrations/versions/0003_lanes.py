"""Lanes: maintenance windows, what operators did, and indexes that tell what waits without reading all of it."""

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PICKABLE = sa.text("state IN ('ready', 'queued', 'retrying')")
_ACCEPTED = sa.text("state = 'accepted'")


def upgrade() -> None:
    """Apply the step."""
    utc = ledger.schema.Utc(timezone=True)
    op.create_table(
        "windows",
        sa.Column("id", _ID, nullable=False),
        sa.Column("lane", sa.String(length=80), nullable=False),
        sa.Column("starts_at", utc, nullable=True),
        sa.Column("weekdays", sa.String(length=7), nullable=True),
        sa.Column("local_time", sa.String(length=5), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("announce_s", sa.Float(), nullable=False),
        sa.Column("drain_s", sa.Float(), nullable=False),
        sa.Column("canary", sa.Integer(), nullable=False),
        sa.Column("ramp_s", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        sa.Column("cancelled_at", utc, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_windows")),
    )
    op.create_table(
        "window_runs",
        sa.Column("window_id", _ID, nullable=False),
        sa.Column("starts_at", utc, nullable=False),
        sa.Column("canary_at", utc, nullable=True),
        sa.Column("seen_attempt", sa.BigInteger(), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("opened_at", utc, nullable=True),
        sa.Column("skipped_at", utc, nullable=True),
        sa.ForeignKeyConstraint(["window_id"], ["windows.id"], name=op.f("fk_window_runs_window_id")),
        sa.PrimaryKeyConstraint("window_id", "starts_at", name=op.f("pk_window_runs")),
    )
    op.create_table(
        "actions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
    )
    op.create_index("ix_actions_subject", "actions", ["subject", "id"])
    lane = ["target", "domain", "class", "state", "accepted_at"]
    op.create_index("ix_deliveries_lane", "deliveries", lane, sqlite_where=_PICKABLE, postgresql_where=_PICKABLE)
    lane = ["domain", "class", "received_at"]
    op.create_index("ix_events_lane", "events", lane, sqlite_where=_ACCEPTED, postgresql_where=_ACCEPTED)
