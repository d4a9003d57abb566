"""Remembers of stock in these tables what figures need beside the documents; orders that have nothing to do with it pay nothing.

A row is written for a count, for an order cancelled for want of stock, and for an order whose sender promised to reserve.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from ledger.schema import IdType, Utc, documents, metadata, partial_index

# The newest count of each receiving side for each SKU and place, as it was compared with what was published there.
stock_counts = Table(
    "stock_counts",
    metadata,
    Column("document_id", IdType, ForeignKey("documents.id"), primary_key=True, autoincrement=False),
    Column("target", String(48), nullable=False),
    Column("told_at", Utc, nullable=False),
    Column("as_of", Utc, nullable=False),
    Column("believed", Integer, nullable=False),
    Column("published", Integer),
    Column("result", String(12), nullable=False),
    Index("ix_stock_counts_told", "target", "told_at"),
)

stock_cancellations = Table(
    "stock_cancellations",
    metadata,
    Column("document_id", IdType, ForeignKey("documents.id"), primary_key=True, autoincrement=False),
    Column("source", String(48), nullable=False),
    Column("told_at", Utc, nullable=False),
    Index("ix_stock_cancellations_told", "told_at"),
)

# Orders of senders that promised to reserve, for which no reservation was told so far.
unreserved_orders = Table(
    "unreserved_orders",
    metadata,
    Column("document_id", IdType, ForeignKey("documents.id"), primary_key=True, autoincrement=False),
    Column("source", String(48), nullable=False),
    Column("told_at", Utc, nullable=False),
    Index("ix_unreserved_orders_told", "source", "told_at"),
)

OVERSOLD_ROWS = text("status = 'oversold'")
partial_index("ix_documents_oversold", documents.c.source, rows=OVERSOLD_ROWS)
