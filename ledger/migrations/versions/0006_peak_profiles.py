"""Peak profiles: what came into force when, and what is to come."""

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0006"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step."""
    utc = ledger.schema.Utc(timezone=True)
    op.create_table(
        "peak_changes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=48), nullable=True),
        sa.Column("profile", sa.JSON(), nullable=True),
        sa.Column("before_name", sa.String(length=48), nullable=True),
        sa.Column("before_profile", sa.JSON(), nullable=True),
        sa.Column("before_since", utc, nullable=True),
        sa.Column("ends_at", utc, nullable=True),
        sa.Column("place", sa.String(length=40), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("settled_at", utc, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_peak_changes")),
    )
    undone = sa.text("settled_at IS NULL")
    op.create_index("ix_peak_changes_unsettled", "peak_changes", ["id"], sqlite_where=undone, postgresql_where=undone)
    op.create_table(
        "peak_schedule",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=48), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("starts_at", utc, nullable=False),
        sa.Column("ends_at", utc, nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", utc, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("settled_at", utc, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_peak_schedule")),
    )
    op.create_index("ix_peak_schedule_state", "peak_schedule", ["state", "starts_at"])


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("peak_schedule")
    op.drop_table("peak_changes")
