"""Live: what a change of the amount held does to messages that are on their way: nothing."""

import time
from collections.abc import Iterator

import pytest
from kombu import Connection

from routing.letters import DELIVER_TASK
from tests.live import Rabbit, wait_until
from tests.workers.fetching import ORDERS, Field
from workers.fetch.delivered import Ending
from workers.fetch.intake import Intake

QUEUE = f"{ORDERS}.normal"
ROWS = 400


@pytest.fixture
def field(rabbit: Rabbit) -> Iterator[Field]:
    field = Field(rabbit)
    yield field
    field.connection.release()


def _read(connection: Connection) -> None:
    try:
        connection.drain_events(timeout=0.2)
    except TimeoutError:
        return


def _end_all(intake: Intake) -> dict[int, int]:
    """End what is here; each row with how often its message had come before."""
    counts = {}
    while (message := intake.head(QUEUE)) is not None:
        counts[message.rows[0]] = message.came_back
        message.take(len(message.rows))
        message.part_ended(Ending.DONE, None, ())
    return counts


def test_a_message_that_is_on_its_way_while_more_is_asked_for_counts_as_delivered_once(field: Field) -> None:
    field.send(QUEUE, range(1, ROWS + 1))
    counts: dict[int, int] = {}

    with Connection(field.rabbit.url) as connection:
        intake = Intake(connection, {DELIVER_TASK}, clock=time.monotonic, arrived=lambda: None)
        prefetch = 4
        while len(counts) < ROWS:
            # What was acknowledged just now makes the broker send more.
            assert intake.consume(QUEUE, prefetch)
            prefetch += 1
            _read(connection)
            counts |= _end_all(intake)

        assert set(counts.values()) == {0}
        wait_until(lambda: field.unacked(QUEUE) == 0, 20, "all acknowledged")


def test_less_is_held_as_soon_as_all_that_was_asked_for_is_here(field: Field) -> None:
    field.send(QUEUE, range(1, ROWS + 1))
    counts: dict[int, int] = {}

    with Connection(field.rabbit.url) as connection:
        intake = Intake(connection, {DELIVER_TASK}, clock=time.monotonic, arrived=lambda: None)
        assert intake.consume(QUEUE, 5)
        assert intake.consume(QUEUE, 40)
        while not intake.complete(QUEUE):
            _read(connection)
        assert 40 <= len(intake.buffers[QUEUE]) <= 45

        assert intake.consume(QUEUE, 3)
        counts |= _end_all(intake)
        while not intake.complete(QUEUE):
            _read(connection)
        assert len(intake.buffers[QUEUE]) == 3
        counts |= _end_all(intake)

        assert len(counts) >= 40 + 3
        assert set(counts.values()) == {0}
