"""What receiving sides count, orders cancelled for want of stock, orders without a reservation, positions below zero."""

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OVERSOLD = sa.text("status = 'oversold'")


def upgrade() -> None:
    """Apply the step."""
    utc = ledger.schema.Utc(timezone=True)
    op.create_table(
        "stock_counts",
        _document(),
        sa.Column("target", sa.String(length=48), nullable=False),
        sa.Column("told_at", utc, nullable=False),
        sa.Column("as_of", utc, nullable=False),
        sa.Column("believed", sa.Integer(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=True),
        sa.Column("result", sa.String(length=12), nullable=False),
        *_keys("stock_counts"),
    )
    op.create_index("ix_stock_counts_told", "stock_counts", ["target", "told_at"])
    for name in ("stock_cancellations", "unreserved_orders"):
        op.create_table(
            name,
            _document(),
            sa.Column("source", sa.String(length=48), nullable=False),
            sa.Column("told_at", utc, nullable=False),
            *_keys(name),
        )
    op.create_index("ix_stock_cancellations_told", "stock_cancellations", ["told_at"])
    op.create_index("ix_unreserved_orders_told", "unreserved_orders", ["source", "told_at"])
    op.create_index("ix_documents_oversold", "documents", ["source"], sqlite_where=_OVERSOLD, postgresql_where=_OVERSOLD)


def downgrade() -> None:
    """Take the step back."""
    op.drop_index("ix_documents_oversold", table_name="documents")
    for name in ("unreserved_orders", "stock_cancellations", "stock_counts"):
        op.drop_table(name)


def _document() -> sa.Column[int]:
    return sa.Column("document_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False)


def _keys(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f(f"fk_{table}_document_id")),
        sa.PrimaryKeyConstraint("document_id", name=op.f(f"pk_{table}")),
    )
