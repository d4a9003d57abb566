"""Runs of runbooks."""

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0012"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    utc = ledger.schema.Utc(timezone=True)
    op.create_table(
        "runbook_runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=48), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("given", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("by_whom", sa.String(length=120), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.Column("ended_at", utc, nullable=True),
        sa.Column("undone_at", utc, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runbook_runs")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("runbook_runs")
