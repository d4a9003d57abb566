"""Remembers through one engine: short transactions, one kind that writes and one that reads."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

Session = Connection
"""What the ledger's functions take: an open transaction."""

LedgerUnavailable = (DBAPIError, PoolTimeout)
"""What a ledger that cannot work raises: the row stays as it was, the caller tries later."""

BUSY_S = 20
IDLE_S = 0.5
"""A connection that was not used for so long is asked whether it still works."""

IN_BINARY = "millrace_in_binary"
"""Option of a statement whose answer holds bodies: as text each of their bytes is written and read as two digits."""

_READ = "millrace_read"
_AUDIT_KEYS = "millrace_audit_keys"

_SERVER_SETTINGS = {
    "lock_timeout": f"{BUSY_S}s",
    "statement_timeout": f"{3 * BUSY_S}s",
    # Every statement of an order's way names its rows by key. A plan made while a table was small would read all of it, and a
    # prepared statement keeps its plan while the table grows: so such plans are only made where nothing else can be done.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # The price of what cannot be done otherwise would pass for a long query's, worth a compilation.
    "jit": "off",
}


class Ledger:
    """One database, SQLite or PostgreSQL. Thread-safe; not to be carried over a fork: open one a process."""

    def __init__(self, url: str, *, pool_size: int = 32, audit_keys: Sequence[bytes] = ()) -> None:
        """``url`` is ``sqlite:///path`` or ``postgresql://...``; nothing is opened before the first transaction.

        The first of ``audit_keys`` seals what operators do; all of them check seals.
        """
        self._lite = url.startswith("sqlite")
        options: dict[str, Any] = (
            {"connect_args": {"timeout": BUSY_S}}
            if self._lite
            else {
                # Opened as they are needed and kept: one that is closed on its return (an overflow) costs a log-in, a process
                # of the server and every prepared statement each time. The last one used goes out first.
                "pool_size": pool_size,
                "max_overflow": pool_size,
                "pool_use_lifo": True,
                "pool_timeout": BUSY_S,
                "connect_args": {
                    "connect_timeout": 5,
                    "options": " ".join(f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items()),
                },
            }
        )
        options["execution_options"] = {_AUDIT_KEYS: tuple(audit_keys)}
        options["json_deserializer"] = _read_json
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self._engine = create_engine(url, hide_parameters=True, **options)
        if self._lite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            event.listen(self._engine, "checkin", _note_return)
            event.listen(self._engine, "checkout", _look_at_idle)
            event.listen(self._engine, "before_cursor_execute", _ask_in_binary)
            # With a pool of its own: a connection that changes its kind on the way out and back pays for it each time.
            alone = options | {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
            self._single = create_engine(url, hide_parameters=True, **alone)
            event.listen(self._single, "checkin", _note_return)
            event.listen(self._single, "checkout", _look_at_idle)

    @property
    def engine(self) -> Any:
        """The SQLAlchemy engine, for migrations only."""
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that may write; commits at the end, rolls back on any exception."""
        with self._engine.begin() as session:
            yield session

    @contextmanager
    def single(self) -> Iterator[Session]:
        """For one statement that writes: on PostgreSQL it is a transaction by itself, and so is every other one. Beginning and
        committing are no questions of their own then, each of which costs its way there and back.
        """
        if self._lite:
            with self.write() as session:
                yield session
        else:
            with self._single.connect() as session:
                yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; on SQLite it never waits for a writer."""
        with self._engine.connect().execution_options(**{_READ: True}) as session, session.begin():
            yield session

    def ping(self) -> None:
        """Raises one of LedgerUnavailable if no transaction can be opened."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every idle connection."""
        self._engine.dispose()
        if not self._lite:
            self._single.dispose()


def audit_keys(session: Session) -> tuple[bytes, ...]:
    """The keys that the ledger of this transaction was opened with; none is a chain without seals."""
    return tuple(session.get_execution_options().get(_AUDIT_KEYS, ()))


def _read_json(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        # Half a character in a sender's header: what the database took is read.
        return json.loads(text)


def _note_return(_connection: Any, record: Any) -> None:
    record.info["returned_at"] = time.monotonic()


def _look_at_idle(connection: Any, record: Any, _proxy: Any) -> None:
    # The server may have gone and come back meanwhile. In the midst of work a question before each transaction would find
    # next to nothing, and cost as much as a statement.
    if time.monotonic() - record.info.get("returned_at", time.monotonic()) < IDLE_S:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


def _ask_in_binary(_connection: Any, cursor: Any, _statement: str, _given: Any, context: Any, _many: bool) -> None:
    if context.execution_options.get(IN_BINARY):
        cursor.format = psycopg.pq.Format.BINARY


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction control is off so that a writer can say BEGIN IMMEDIATE: two readers that turn
    # into writers would otherwise deadlock, which SQLite answers with an error at once instead of a wait.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
