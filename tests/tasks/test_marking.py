"""What the broker confirmed is noted in its own time, and only where it still waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tasks.marking import Marking
from tests.documents import an_order
from tests.tasks.world import World, a_world
from workers.relay import Relay

TOLD = "SELECT state, published_at IS NOT NULL FROM deliveries"


@contextmanager
def marking_in(world: World) -> Iterator[Marking]:
    """A marking that is at work for the world's tasks; left, it has noted what it was told."""
    marking = Marking(world.ledger, world.clock.now).start()
    world.context = replace(world.context, marking=marking)
    try:
        yield marking
    finally:
        marking.close(10)


def test_published_rows_are_noted_after_the_task_and_at_the_latest_at_the_end(ledger_url: str) -> None:
    with a_world(ledger_url) as world:
        with marking_in(world):
            world.prepare(*world.tell(an_order("1")))
            at_once = world.rows(TOLD)
        noted = world.rows(TOLD)

    assert [tuple(row) for row in at_once] == [("ready", False)]
    assert [tuple(row) for row in noted] == [("queued", True)]


def test_a_row_that_was_taken_up_meanwhile_is_not_written_again(ledger_url: str) -> None:
    with a_world(ledger_url) as world:
        with marking_in(world):
            world.prepare(*world.tell(an_order("1")))
            world.work()
        noted = world.rows(TOLD)

    assert [tuple(row) for row in noted] == [("done", False)]


def test_rows_of_a_process_that_died_before_it_noted_them_are_published_again_and_done_once(ledger_url: str) -> None:
    with a_world(ledger_url) as world:
        never_started = Marking(world.ledger, world.clock.now)
        world.context = replace(world.context, marking=never_started)
        world.prepare(*world.tell(an_order("1")))
        world.clock.move(10)

        swept = Relay(world.context, messages_in=lambda _: {}).sweep()
        world.work()

        assert swept.published == 1
        assert world.rows("SELECT state FROM deliveries") == [("done",)]
        assert len(world.erp.effects) == 1
