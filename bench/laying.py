"""Lays Millrace's backlogs: copies of one prepared order, in the ledger by SQL and in the broker as the message it became.

What a column holds is not known here: each text, JSON document or byte string of the sample is copied with its order's id
replaced. Only ids, links, the class and the moments of a delivery are made anew.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pika  # type: ignore[import-untyped]  # ships no types
import psycopg

from bench.orders import FIRST_ID, order_id
from bench.services import Services
from routing.letters import MOST_ROWS

TABLES = {"documents": "id", "document_versions": "document_id", "deliveries": "id"}
"""What one prepared order has a row in, and the column that counts up with the orders."""
FIRST_ROW = 10_000_000
"""Laid rows have ids far above those the sequences give out."""
AT_ONCE = 100_000
PREPARED_WITHIN_S = 30.0
QUEUES = ("deliver.erp.orders", "deliver.erp")
"""Families that may carry an order to the ERP: by domain, or one for the whole lane."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One prepared order whose message waits: its id as text, the family of its queue, the message."""

    mark: str
    family: str
    properties: pika.BasicProperties
    body: bytes


def take_sample(services: Services, number: int) -> Sample:
    """Keep the rows and the message of the order ``number`` once it is prepared and its message waits at the lane."""
    mark = str(order_id(number))
    deadline = time.monotonic() + PREPARED_WITHIN_S
    with psycopg.connect(services.database_url, autocommit=True) as database:
        while not _queued(database):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the sample order was not prepared; see the logs in {services.folder}")
            time.sleep(0.05)
        for table in TABLES:
            database.execute(f"CREATE TABLE sample_{table} AS SELECT * FROM {table}".encode())
    family, properties, body = _message(services)
    return Sample(mark, family, properties, body)


def lay(services: Services, sample: Sample, first: int, count: int, cls: str) -> None:
    """Copy the sample's rows under ``count`` order ids and publish them in messages of ``MOST_ROWS`` rows each."""
    with psycopg.connect(services.database_url, autocommit=True) as database:
        for start in range(first, first + count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, first + count))
            span = {"mark": sample.mark, "first": numbers[0], "last": numbers[-1], "class": cls}
            for table, counter in TABLES.items():
                database.execute(_copy(table, counter, _columns(database, table)), span)
        # Rows that came over hours would have been tended meanwhile; of these the server would do it while others are counted.
        database.execute(f"VACUUM {', '.join(TABLES)}".encode())
        if count >= AT_ONCE:
            database.execute("ANALYZE")
        database.execute("CHECKPOINT")
    _publish(services, sample, [FIRST_ROW + number for number in range(first, first + count)], cls)


def left(services: Services) -> set[str]:
    """Order ids of deliveries that are still to be done; what was parked is not among them."""
    unfinished = "SELECT business_key FROM deliveries WHERE state NOT IN ('done', 'parked', 'dropped')"
    with psycopg.connect(services.database_url, autocommit=True) as database:
        return {str(key)[-len(str(FIRST_ID)) :] for (key,) in database.execute(unfinished)}


def _queued(database: psycopg.Connection) -> bool:
    return database.execute("SELECT 1 FROM deliveries WHERE state = 'queued' AND published_at IS NOT NULL").fetchone() is not None


def _columns(database: psycopg.Connection, table: str) -> list[tuple[str, str, bool]]:
    told = "SELECT column_name, data_type, is_nullable = 'NO' FROM information_schema.columns"
    where = "WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position"
    return [(str(name), str(kind), bool(needed)) for name, kind, needed in database.execute(f"{told} {where}".encode(), (table,))]


def _copy(table: str, counter: str, columns: Sequence[tuple[str, str, bool]]) -> bytes:
    names = ", ".join(f'"{name}"' for name, _, _ in columns)
    values = ",\n       ".join(_value(table, counter, *column) for column in columns)
    rows = f"sample_{table} AS sample, generate_series(%(first)s::bigint, %(last)s::bigint) AS series(nth)"
    return f"INSERT INTO {table} ({names})\nSELECT {values}\nFROM {rows}".encode()


def _value(table: str, counter: str, name: str, kind: str, needed: bool) -> str:
    column = f'sample."{name}"'
    if name in (counter, "document_id"):
        return f"{FIRST_ROW} + nth"
    if name == "class":
        return "%(class)s"
    if kind == "timestamp with time zone":
        return "now()" if needed and table == "deliveries" else column
    return _renamed(column, kind)


def _renamed(column: str, kind: str) -> str:
    """The sample's value with the order's id in place of the sample's, whatever kind of text it is found in."""
    new = f"({FIRST_ID} + nth)::text"
    if kind in ("text", "character varying"):
        return f"replace({column}, %(mark)s, {new})"
    if kind in ("json", "jsonb"):
        return f"replace({column}::text, %(mark)s, {new})::{kind}"
    if kind == "bytea":
        hexed = "encode(convert_to(%s, 'UTF8'), 'hex')"
        return f"decode(replace(encode({column}, 'hex'), {hexed % '%(mark)s'}, {hexed % new}), 'hex')"
    return column


def _message(services: Services) -> tuple[str, pika.BasicProperties, bytes]:
    with pika.BlockingConnection(pika.URLParameters(services.amqp_url)) as connection:
        for family in QUEUES:
            channel = connection.channel()
            try:
                method, properties, body = channel.basic_get(f"{family}.normal")
            except pika.exceptions.ChannelClosedByBroker:
                continue
            if method is not None and body is not None:
                channel.basic_nack(method.delivery_tag, requeue=True)
                return family, properties, body
    raise RuntimeError(f"the sample's message is in none of the queues of {', '.join(QUEUES)}")


def _publish(services: Services, sample: Sample, ids: Sequence[int], cls: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(services.amqp_url)) as connection:
        channel = connection.channel()
        for number, rows in enumerate(_parts(ids)):
            channel.basic_publish("", f"{sample.family}.{cls}", _body(sample, rows), _properties(sample, number, len(rows)))


def _body(sample: Sample, rows: Sequence[int]) -> bytes:
    arguments, *rest = json.loads(sample.body)
    return json.dumps([[list(rows), *arguments[1:]], *rest], separators=(",", ":")).encode()


def _properties(sample: Sample, number: int, rows: int) -> pika.BasicProperties:
    # Every message has an id of its own; the calls it takes grow with its rows.
    task = f"{number:08x}-0000-4000-8000-{time.monotonic_ns() % 16**12:012x}"
    headers = dict(sample.properties.headers)
    headers |= {"id": task, "root_id": task, "calls": headers["calls"] * rows, "argsrepr": f"(laid: {rows})"}
    headers |= {"since": int(time.time())} if "since" in headers else {}
    return pika.BasicProperties(
        content_type=sample.properties.content_type,
        content_encoding=sample.properties.content_encoding,
        headers=headers,
        delivery_mode=2,
        correlation_id=task,
        message_id=task,
    )


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), MOST_ROWS):
        yield ids[start : start + MOST_ROWS]
