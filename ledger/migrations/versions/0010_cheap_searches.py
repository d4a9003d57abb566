"""Ids that people search by, at a price an order can pay: plain indexes where each row written again rewrote a block's filter."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0012"
branch_labels = None
depends_on = None

_OLD = (
    ("ix_events_correlation", "events", "correlation_id"),
    ("ix_documents_number", "documents", "number"),
    ("ix_deliveries_remote", "deliveries", "remote_id"),
)
_TOLD = sa.text("remote_id IS NOT NULL")
# The body is written once and its row three times: kept beside the row it is not copied each time.
_BESIDE = "ALTER TABLE events SET (toast_tuple_target = 1024)"


def upgrade() -> None:
    """Apply the step."""
    for name, table, _column in reversed(_OLD):
        op.drop_index(name, table_name=table)
    op.create_index("ix_events_correlation", "events", ["correlation_id"], postgresql_using="hash")
    op.create_index("ix_documents_number", "documents", ["number"])
    op.create_index("ix_deliveries_remote", "deliveries", ["remote_id"], sqlite_where=_TOLD, postgresql_where=_TOLD)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text(_BESIDE))


def downgrade() -> None:
    """Take the step back."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("ALTER TABLE events RESET (toast_tuple_target)"))
    for name, table, _column in reversed(_OLD):
        op.drop_index(name, table_name=table)
    blocks: dict[str, Any] = {"postgresql_using": "brin", "postgresql_with": {"autosummarize": "on"}}
    for name, table, column in _OLD:
        op.create_index(name, table, [column], postgresql_ops={column: "text_bloom_ops"}, **blocks)
