"""Moves: what was put into another class by hand, with what it was before; the class an event was moved to."""

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step. The new column of events holds nothing at first, so no row is written."""
    utc = ledger.schema.Utc(timezone=True)
    op.add_column("events", sa.Column("moved_to", sa.String(length=8), nullable=True))
    op.create_table(
        "moves",
        sa.Column("id", _ID, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("class", sa.String(length=8), nullable=False),
        sa.Column("by_whom", sa.String(length=120), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("events_until", sa.BigInteger(), nullable=False),
        sa.Column("deliveries_until", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("back", sa.Integer(), nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.Column("ended_at", utc, nullable=True),
        sa.Column("undone_at", utc, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
    )
    op.create_table(
        "move_items",
        sa.Column("move_id", _ID, nullable=False),
        sa.Column("stage", sa.String(length=8), nullable=False),
        sa.Column("row_id", _ID, autoincrement=False, nullable=False),
        sa.Column("class_before", sa.String(length=8), nullable=False),
        sa.Column("moved_to_before", sa.String(length=8), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["move_id"], ["moves.id"], name=op.f("fk_move_items_move_id")),
        sa.PrimaryKeyConstraint("move_id", "stage", "row_id", name=op.f("pk_move_items")),
    )
    op.create_index("ix_move_items_row", "move_items", ["stage", "row_id"], unique=False)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_move_items_row", table_name="move_items")
    op.drop_table("move_items")
    op.drop_table("moves")
    op.drop_column("events", "moved_to")
