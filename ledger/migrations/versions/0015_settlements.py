"""Settlements: parts and lines of payouts, what is compared when, and what did not fit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

import ledger.schema

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UTC = ledger.schema.Utc(timezone=True)
_PARTIAL = {
    "ix_payout_lines_order": ("payout_lines", ["order_key", "order_source"], "order_key IS NOT NULL"),
    "ix_payout_lines_nobodys": ("payout_lines", ["document_id"], "order_key IS NULL AND type IN ('sale', 'refund')"),
    "ix_reckonings_due": ("reckonings", ["due_at"], "due_at IS NOT NULL"),
    "ix_settlement_findings_open": ("settlement_findings", ["opened_at"], "state = 'open'"),
}


def _id(name: str, *rest: Any, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), *rest, nullable=nullable)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _micros(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _whole(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _time(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, _UTC, nullable=nullable)


def upgrade() -> None:
    """Apply the step."""
    _payouts()
    _comparisons()
    for name, (table, columns, rows) in _PARTIAL.items():
        op.create_index(name, table, columns, sqlite_where=sa.text(rows), postgresql_where=sa.text(rows))


def _payouts() -> None:
    op.create_table(
        "payout_parts",
        _id("document_id"),
        _text("source", 48),
        _text("payout", 190),
        _whole("part"),
        _whole("parts"),
        _text("currency", 3),
        _micros("total_micros"),
        _micros("lines_micros"),
        _whole("lines"),
        _time("period_from"),
        _time("period_to"),
        _time("paid_at", nullable=False),
        _time("as_of", nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_payout_parts_document_id")),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_payout_parts")),
    )
    op.create_index("ix_payout_parts_payout", "payout_parts", ["payout", "source"])
    op.create_index("ix_payout_parts_paid_at", "payout_parts", ["paid_at"])
    op.create_table(
        "payout_lines",
        _id("id"),
        _id("document_id"),
        _text("key", 190),
        _text("type", 12),
        _text("order_source", 48),
        _text("order_key", 190, nullable=True),
        _text("return_key", 190, nullable=True),
        _text("currency", 3),
        _micros("amount_micros"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name=op.f("fk_payout_lines_document_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_lines")),
        sa.UniqueConstraint("document_id", "key", name=op.f("uq_payout_lines_document_id_key")),
    )


def _comparisons() -> None:
    op.create_table(
        "reckonings",
        _id("id"),
        _text("kind", 8),
        _text("source", 48),
        _text("key", 190),
        _text("state", 12),
        _whole("lines"),
        _time("told_at", nullable=False),
        _time("due_at"),
        _whole("tries"),
        _time("reckoned_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reckonings")),
        sa.UniqueConstraint("key", "source", "kind", name=op.f("uq_reckonings_key_source_kind")),
    )
    op.create_index("ix_reckonings_told_at", "reckonings", ["told_at"])
    op.create_table(
        "settlement_findings",
        _id("id"),
        _id("reckoning_id"),
        _text("reason", 24),
        _text("line", 400),
        _text("source", 48),
        _text("currency", 3),
        _micros("expected_micros", nullable=True),
        _micros("told_micros", nullable=True),
        _micros("difference_micros", nullable=True),
        _text("state", 12),
        _time("opened_at", nullable=False),
        _time("resolved_at"),
        _time("explained_at"),
        _text("explained_by", 120, nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["reckoning_id"], ["reckonings.id"], name=op.f("fk_settlement_findings_reckoning_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_findings")),
        sa.UniqueConstraint(
            "reckoning_id", "reason", "line", "currency", name=op.f("uq_settlement_findings_reckoning_id_reason_line_currency")
        ),
    )
    op.create_index("ix_settlement_findings_opened_at", "settlement_findings", ["opened_at"])


def downgrade() -> None:
    """Take the step back."""
    for table in ("settlement_findings", "reckonings", "payout_lines", "payout_parts"):
        op.drop_table(table)
