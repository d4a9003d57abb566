"""Ids that people search by: correlation ids, numbers, events of versions, document numbers of the ERPs."""

from typing import Any

from alembic import op

revision = "0011"
down_revision = "0005"
branch_labels = None
depends_on = None

_BLOCKS: dict[str, Any] = {"postgresql_using": "brin", "postgresql_with": {"autosummarize": "on"}}
_INDEXES = (
    ("ix_events_correlation", "events", "correlation_id"),
    ("ix_documents_number", "documents", "number"),
    ("ix_versions_event", "document_versions", "event_id"),
    ("ix_deliveries_remote", "deliveries", "remote_id"),
)


def upgrade() -> None:
    """Apply the step."""
    for name, table, column in _INDEXES:
        # A number's default way needs no name.
        ops = {} if column == "event_id" else {column: "text_bloom_ops"}
        op.create_index(name, table, [column], unique=False, postgresql_ops=ops, **_BLOCKS)


def downgrade() -> None:
    """Take the step back."""
    for name, table, _column in reversed(_INDEXES):
        op.drop_index(name, table_name=table)
