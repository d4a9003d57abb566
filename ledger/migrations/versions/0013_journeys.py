"""What happened to orders outside: milestones, promises and journeys."""

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0013"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step."""
    utc = ledger.schema.Utc(timezone=True)
    op.create_table(
        "milestones",
        sa.Column("document_id", _ID, autoincrement=False, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("return_key", sa.String(length=190), nullable=True),
        sa.Column("step", sa.String(length=24), nullable=False),
        sa.Column("at", utc, nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_milestones_document_id")),
        sa.ForeignKeyConstraint(["order_id"], ["documents.id"], name=op.f("fk_milestones_order_id")),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_milestones")),
    )
    op.create_index("ix_milestones_order", "milestones", ["order_id"])
    op.create_index("ix_milestones_step", "milestones", ["step", "at"])
    op.create_table(
        "journeys",
        sa.Column("order_id", _ID, autoincrement=False, nullable=False),
        *(sa.Column(name, utc, nullable=True) for name in ("placed_at", "promised_by", "confirmed_at", "delivered_at")),
        sa.ForeignKeyConstraint(["order_id"], ["documents.id"], name=op.f("fk_journeys_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_journeys")),
    )
    for name in ("promised_by", "confirmed_at", "delivered_at"):
        told = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_journeys_{name.partition('_')[0]}", "journeys", [name], sqlite_where=told, postgresql_where=told)


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("journeys")
    op.drop_table("milestones")
