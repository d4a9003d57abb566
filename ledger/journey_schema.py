"""Remembers of orders in these tables what happened to them outside: the steps that were told, and what was promised.

A row is written for a milestone, and for an order that names a promise or has a milestone; other orders pay nothing.
"""

from sqlalchemy import Column, ForeignKey, Index, String, Table, text

from ledger.schema import IdType, Utc, metadata, partial_index

# ``order_id`` is the head of the order, which may not have been told yet.
milestones = Table(
    "milestones",
    metadata,
    Column("document_id", IdType, ForeignKey("documents.id"), primary_key=True, autoincrement=False),
    Column("order_id", IdType, ForeignKey("documents.id"), nullable=False),
    Column("return_key", String(190)),
    Column("step", String(24), nullable=False),
    Column("at", Utc, nullable=False),
    Index("ix_milestones_order", "order_id"),
    Index("ix_milestones_step", "step", "at"),
)

# ``confirmed_at`` is the first confirmation of a warehouse, ``delivered_at`` the last delivery: an order may be several parcels.
journeys = Table(
    "journeys",
    metadata,
    Column("order_id", IdType, ForeignKey("documents.id"), primary_key=True, autoincrement=False),
    Column("placed_at", Utc),
    Column("promised_by", Utc),
    Column("confirmed_at", Utc),
    Column("delivered_at", Utc),
)
partial_index("ix_journeys_promised", journeys.c.promised_by, rows=text("promised_by IS NOT NULL"))
partial_index("ix_journeys_confirmed", journeys.c.confirmed_at, rows=text("confirmed_at IS NOT NULL"))
partial_index("ix_journeys_delivered", journeys.c.delivered_at, rows=text("delivered_at IS NOT NULL"))
