"""Live: every message that Celery would lose, or fall over, ends in the dead-letter queue, and the worker goes on."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from routing import names
from tests.live import Rabbit, wait_until
from tests.workers.fetching import ORDERS, Field, Workers, headers_for, workers_on

GOOD = json.dumps([[[1]], {}, {}])
QUEUES = {"threads": f"{ORDERS}.normal", "prefork": "orders.normal"}

POISON: dict[str, tuple[Any, dict[str, Any] | None, dict[str, Any]]] = {
    "undecodable JSON": ("[[[1]", {}, {}),
    "undecodable JSON without headers": ("{{{", None, {}),
    "bad utf-8": (b"[[[1]], {\xff\xfe}, {}]", {}, {}),
    "an unknown compression": (GOOD, {"compression": "application/x-none"}, {}),
    "a compressed body": (zlib.compress(GOOD.encode()), {"compression": "application/x-gzip"}, {}),
    "a plain object without headers": ('{"order": 1}', None, {}),
    "a plain array without headers": ("[1, 2, 3]", None, {}),
    "an unregistered task": (GOOD, {"task": "nobody.knows"}, {}),
    "yaml": ("a: 1", {}, {"content_type": "application/x-yaml"}),
    "pickle": (b"\x80\x04K\x01.", {}, {"content_type": "application/x-python-serialize", "content_encoding": "binary"}),
    "no content type": (GOOD, {}, {"content_type": None}),
    "an unknown content encoding": (GOOD, {}, {"content_encoding": "rot-13"}),
    "a bad eta": (GOOD, {"eta": "soon"}, {}),
    "an eta of tomorrow": (GOOD, {"eta": "2099-01-01T00:00:00"}, {}),
    "a bad expires": (GOOD, {"expires": "later"}, {}),
    "a body of two numbers": ("[1, 2]", {}, {}),
    "a body of one object": ('{"a": 1}', {}, {}),
    "a body of null": ("null", {}, {}),
    "an empty body": ("", {}, {}),
    "a body 10 000 deep": ("[" * 10_000 + "]" * 10_000, {}, {}),
    "rows that are text": ('[[["1"]], {}, {}]', {}, {}),
    "rows that are true": ("[[[true]], {}, {}]", {}, {}),
    "no rows": ("[[[]], {}, {}]", {}, {}),
    "two arguments": ("[[[1], [2]], {}, {}]", {}, {}),
    "keyword arguments": ('[[[1]], {"a": 1}, {}]', {}, {}),
    "callbacks": ('[[[1]], {}, {"callbacks": [{"task": "deliver"}]}]', {}, {}),
    "a body larger than 1 MiB": (json.dumps([[list(range(1, 200_000))], {}, {}]), {}, {}),
    "no id": (GOOD, {"id": None}, {}),
    "an id of a number": (GOOD, {"id": 7}, {}),
    "a timelimit of text": (GOOD, {"timelimit": "soon"}, {}),
    "a timelimit of one": (GOOD, {"timelimit": [1]}, {}),
    "a timelimit of words": (GOOD, {"timelimit": ["a", "b"]}, {}),
    "a timelimit of an object": (GOOD, {"timelimit": {"a": 1}}, {}),
    "calls of text": (GOOD, {"calls": "many"}, {}),
    "negative calls": (GOOD, {"calls": -1}, {}),
    "stamps of a number": (GOOD, {"stamped_headers": 5}, {}),
    "argsrepr of a table": (GOOD, {"argsrepr": {"a": 1}}, {}),
    "a task of a number": (GOOD, {"task": 5}, {}),
}


@pytest.fixture
def workers(rabbit: Rabbit, tmp_path: Path) -> Iterator[Workers]:
    with workers_on(Field(rabbit), tmp_path) as started:
        yield started


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_every_malformed_message_is_dead_lettered_and_no_slot_is_lost(workers: Workers, pool: str) -> None:
    queue = QUEUES[pool]
    family = names.lane_of(names.family_of(queue))
    worker = workers.start(pool=pool, families=[family], concurrency=1)

    for number, (name, (body, headers, properties)) in enumerate(POISON.items(), start=1):
        told = None if headers is None else {**headers_for(queue), **headers}
        workers.field.raw(queue, body, told, **properties)
        wait_until(lambda: workers.field.depth(f"dead.{family}") == number, 10, f"{name} dead-lettered")  # noqa: B023 called here
        workers.field.send(queue, [number])
        worker.wait_ran(number)

    assert [one.row for one in worker.ran] == list(range(1, len(POISON) + 1))
    assert worker.process.poll() is None


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_task_that_raises_is_dead_lettered_and_not_lost(workers: Workers, pool: str) -> None:
    queue = QUEUES[pool]
    family = names.lane_of(names.family_of(queue))
    worker = workers.start(pool=pool, families=[family])

    workers.field.send(queue, [1_000_001, 5])
    worker.wait_ran(2)

    wait_until(lambda: workers.field.depth(f"dead.{family}") == 1)
    assert workers.field.dead(family) == [(1_000_001, "rejected")]
