"""Remembers in these tables what was paid out, what of it is to be compared when, and what did not fit. Amounts in millionths."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from ledger.schema import IdType, Utc, metadata, partial_index

payout_parts = Table(
    "payout_parts",
    metadata,
    Column("document_id", IdType, ForeignKey("documents.id"), primary_key=True),
    Column("source", String(48), nullable=False),
    Column("payout", String(190), nullable=False),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total_micros", BigInteger, nullable=False),
    Column("lines_micros", BigInteger, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("period_from", Utc),
    Column("period_to", Utc),
    Column("paid_at", Utc, nullable=False),
    Column("as_of", Utc, nullable=False),
    Index("ix_payout_parts_payout", "payout", "source"),
    Index("ix_payout_parts_paid_at", "paid_at"),
)

payout_lines = Table(
    "payout_lines",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("document_id", IdType, ForeignKey("documents.id"), nullable=False),
    Column("key", String(190), nullable=False),
    Column("type", String(12), nullable=False),
    # Whose orders a payment provider pays for is said by the fleet file: not always its own.
    Column("order_source", String(48), nullable=False),
    Column("order_key", String(190)),
    Column("return_key", String(190)),
    Column("currency", String(3), nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    UniqueConstraint("document_id", "key"),
)

reckonings = Table(
    "reckonings",
    metadata,
    Column("id", IdType, primary_key=True),
    # An order that something was paid for, or a payout.
    Column("kind", String(8), nullable=False),
    Column("source", String(48), nullable=False),
    Column("key", String(190), nullable=False),
    Column("state", String(12), nullable=False),
    Column("lines", Integer, nullable=False),
    Column("told_at", Utc, nullable=False),
    Column("due_at", Utc),
    Column("tries", Integer, nullable=False),
    Column("reckoned_at", Utc),
    UniqueConstraint("key", "source", "kind"),
    Index("ix_reckonings_told_at", "told_at"),
)

settlement_findings = Table(
    "settlement_findings",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("reckoning_id", IdType, ForeignKey("reckonings.id"), nullable=False),
    Column("reason", String(24), nullable=False),
    # The line's key for what is said of one line, else empty.
    Column("line", String(400), nullable=False),
    Column("source", String(48), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("expected_micros", BigInteger),
    Column("told_micros", BigInteger),
    Column("difference_micros", BigInteger),
    Column("state", String(12), nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("resolved_at", Utc),
    Column("explained_at", Utc),
    Column("explained_by", String(120)),
    Column("why", Text),
    UniqueConstraint("reckoning_id", "reason", "line", "currency"),
    Index("ix_settlement_findings_opened_at", "opened_at"),
)

_NAMED = text("order_key IS NOT NULL")
partial_index("ix_payout_lines_order", payout_lines.c.order_key, payout_lines.c.order_source, rows=_NAMED)
# A payout asks for these alone, of lines that are many.
NOBODYS = text("order_key IS NULL AND type IN ('sale', 'refund')")
partial_index("ix_payout_lines_nobodys", payout_lines.c.document_id, rows=NOBODYS)
DUE = text("due_at IS NOT NULL")
partial_index("ix_reckonings_due", reckonings.c.due_at, rows=DUE)
OPEN = text("state = 'open'")
partial_index("ix_settlement_findings_open", settlement_findings.c.opened_at, rows=OPEN)
