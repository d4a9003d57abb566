"""Remembers in these tables: events, documents with their versions, deliveries with their attempts, and the few beside."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(TypeDecorator[datetime]):
    """Aware UTC in Python; timestamptz on PostgreSQL, naive UTC on SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive times: they are the start of every off-by-hours order."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive time given to the ledger")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


IdType = BigInteger().with_variant(Integer, "sqlite")


def partial_index(name: str, *columns: Column[Any] | str, rows: TextClause) -> Index:
    """An index that holds only ``rows``, on either database."""
    return Index(name, *columns, sqlite_where=rows, postgresql_where=rows)


def _failure_columns() -> list[Column[Any]]:
    return [
        Column("failure_class", String(16)),
        Column("failure_code", String(80)),
        Column("failure_reason", Text),
        Column("failure_remedy", Text),
        Column("failed_at", Utc),
    ]


events = Table(
    "events",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("source", String(48), nullable=False),
    Column("event_key", String(255), nullable=False),
    Column("topic", String(120), nullable=False),
    Column("domain", String(24)),
    Column("class", String(8), nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("correlation_id", String(40), nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("state", String(12), nullable=False),
    Column("waits_for", String(300)),
    # Set only by hand: the class of what this event leads to, whatever the rules say.
    Column("moved_to", String(8)),
    Column("published_at", Utc),
    Column("settled_at", Utc),
    *_failure_columns(),
    UniqueConstraint("source", "event_key"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("source", String(48), nullable=False),
    Column("key", String(190), nullable=False),
    Column("order_key", String(190), nullable=False),
    Column("number", String(190)),
    Column("version", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("as_of", Utc),
    Column("digest", String(64)),
    Column("updated_at", Utc, nullable=False),
    UniqueConstraint("kind", "source", "key"),
)

versions = Table(
    "document_versions",
    metadata,
    Column("document_id", IdType, ForeignKey("documents.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("event_id", IdType, ForeignKey("events.id"), nullable=False),
    Column("body", Text, nullable=False),
    Column("written_at", Utc, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("document_id", IdType, ForeignKey("documents.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("target", String(48), nullable=False),
    Column("operation", String(32), nullable=False),
    Column("business_key", String(300), nullable=False),
    Column("entity", String(300), nullable=False),
    Column("domain", String(24), nullable=False),
    Column("class", String(8), nullable=False),
    Column("calls", Integer, nullable=False),
    Column("references", JSON, nullable=False),
    Column("correlation_id", String(40), nullable=False),
    Column("state", String(12), nullable=False),
    Column("uncertain", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lost_claims", Integer, nullable=False),
    Column("claim", String(32)),
    Column("claimed_until", Utc),
    Column("due_at", Utc),
    Column("published_at", Utc),
    Column("remote_id", String(120)),
    Column("accepted_at", Utc, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("settled_at", Utc),
    *_failure_columns(),
    # The document stands for the business key: a number is a third of the text's index, and finds a document's deliveries too.
    UniqueConstraint("document_id", "version", "target", "operation"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("delivery_id", IdType, ForeignKey("deliveries.id"), nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("ended_at", Utc, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_attempts_delivery", "delivery_id"),
)

crossrefs = Table(
    "crossrefs",
    metadata,
    Column("target", String(48), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("source", String(48), primary_key=True),
    Column("key", String(190), primary_key=True),
    Column("remote_id", String(120), nullable=False),
    Column("updated_at", Utc, nullable=False),
)

controls = Table(
    "controls",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

windows = Table(
    "windows",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("lane", String(80), nullable=False),
    Column("starts_at", Utc),
    Column("weekdays", String(7)),
    Column("local_time", String(5)),
    Column("zone", String(64)),
    Column("duration_s", Float, nullable=False),
    Column("announce_s", Float, nullable=False),
    Column("drain_s", Float, nullable=False),
    Column("canary", Integer, nullable=False),
    Column("ramp_s", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("cancelled_at", Utc),
)

window_runs = Table(
    "window_runs",
    metadata,
    Column("window_id", IdType, ForeignKey("windows.id"), primary_key=True),
    Column("starts_at", Utc, primary_key=True),
    Column("canary_at", Utc),
    Column("seen_attempt", BigInteger),
    Column("accepted", Integer, nullable=False),
    Column("opened_at", Utc),
    Column("skipped_at", Utc),
)

actions = Table(
    "actions",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("by", String(120), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("role", String(16), nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("seal", String(64)),
    UniqueConstraint("sequence"),
    Index("ix_actions_subject", "subject", "id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", IdType, primary_key=True),
    Column("family", String(80), nullable=False),
    Column("queue", String(120), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("task", String(120)),
    Column("rows", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("died_at", Utc, nullable=False),
    Column("state", String(12), nullable=False),
)

_ACCEPTED, _WAITING, _PARKED = (text(f"state = '{state}'") for state in ("accepted", "waiting", "parked"))
# Indexes over the rows that still wait for something stay small however many rows are done.
partial_index("ix_events_open", events.c.id, rows=_ACCEPTED)
partial_index("ix_events_waiting", events.c.waits_for, rows=_WAITING)
partial_index("ix_events_parked", events.c.failed_at, rows=_PARKED)
# The key first: by the source alone it would pass, without statistics, for as good a way to one document as its own key.
Index("ix_documents_order", documents.c.order_key, documents.c.source)
Index("ix_deliveries_entity", deliveries.c.entity, deliveries.c.target)
OPEN_ROWS = text("state NOT IN ('done', 'parked', 'waiting')")
partial_index("ix_deliveries_open", deliveries.c.state, deliveries.c.id, rows=OPEN_ROWS)
partial_index("ix_deliveries_waiting", deliveries.c.entity, rows=_WAITING)
partial_index("ix_deliveries_parked", deliveries.c.failed_at, rows=_PARKED)
# What waits in a lane, by domain and class, with its oldest: counted up to a bound and read from the index's end, never scanned.
PICKABLE_ROWS = text("state IN ('ready', 'queued', 'retrying')")
partial_index(
    "ix_deliveries_lane",
    deliveries.c.target,
    deliveries.c.domain,
    deliveries.c["class"],
    deliveries.c.state,
    deliveries.c.accepted_at,
    rows=PICKABLE_ROWS,
)
partial_index(
    "ix_events_lane",
    events.c.domain,
    events.c["class"],
    events.c.received_at,
    rows=_ACCEPTED,
)

# What people search by and no row is worked on by. Events are prepared nearly in their order, so block ranges find a version's;
# the others come in no order, and a filter for each range would be written anew, some KB of it, with every row set again.
Index("ix_events_correlation", events.c.correlation_id, postgresql_using="hash")
Index("ix_documents_number", documents.c.number)
Index("ix_versions_event", versions.c.event_id, postgresql_using="brin", postgresql_with={"autosummarize": "on"})
_TOLD = text("remote_id IS NOT NULL")
partial_index("ix_deliveries_remote", deliveries.c.remote_id, rows=_TOLD)
