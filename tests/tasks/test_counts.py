"""What receiving sides believe, on both databases: compared with what they had answered by then, and sent nowhere."""

from collections.abc import Iterator

import pytest

from canonical.outcome import Rejected, Uncertain
from canonical.stock import StockPosition
from ledger import counts
from ledger.counts import Accuracy
from tests.documents import a_count, a_position, at
from tests.tasks.world import TARGET, World, a_counted_fleet, a_world

SINCE = at(-60)


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, items=False, fleet=a_counted_fleet()) as made:
        yield made


def publish(world: World, *positions: StockPosition) -> None:
    """Each position told now and answered now; the world's clock stands unless it is moved."""
    world.prepare(*world.tell(*positions))
    world.work()


def believe(world: World, available: int, sku: str = "A") -> None:
    """A count taken and told at the world's moment."""
    told_at = (world.clock.now() - at(0)).total_seconds()
    world.prepare(*world.tell(a_count(sku, available=available, told_at=told_at)))


def results(world: World) -> list[tuple[object, ...]]:
    return world.rows("select believed, published, result from stock_counts order by document_id")


def accuracy(world: World) -> list[Accuracy]:
    with world.ledger.read() as session:
        return counts.accuracy(session, [TARGET], SINCE)


def test_counts_are_compared_with_what_was_published_and_the_furthest_apart_come_first(world: World) -> None:
    publish(world, *(a_position(sku, available=5) for sku in "ABCD"))
    world.clock.move(60)
    for sku, believed in (("A", 5), ("B", 9), ("C", 4), ("D", 5), ("never published", 1)):
        believe(world, believed, sku)

    (stores,) = accuracy(world)
    with world.ledger.read() as session:
        rows = counts.apart(session, [TARGET], SINCE, 10)
        (furthest,) = counts.apart(session, [TARGET], SINCE, 1)
    assert stores == Accuracy(TARGET, equal=2, different=2, unpublished=1, over=4, under=1)
    assert (stores.ratio, stores.mean_apart) == (0.5, 1.25)
    assert [(row.sku, row.location, row.believed, row.published, row.apart) for row in rows] == [
        ("B", "berlin", 9, 5, 4),
        ("C", "berlin", 4, 5, -1),
    ]
    assert furthest == rows[0]
    assert world.rows("select count(*) from deliveries where operation <> 'stock.publish'") == [(0,)]


def test_a_count_is_compared_with_what_was_there_at_its_moment_not_with_what_came_later(world: World) -> None:
    publish(world, a_position("A", available=5, told_at=0))
    world.clock.move(60)
    [counted] = world.tell(a_count("A", available=5, told_at=60))
    world.clock.move(60)
    publish(world, a_position("A", available=2, told_at=120))
    world.prepare(counted)
    late = results(world)
    world.clock.move(60)
    believe(world, 5)

    assert late == [(5, 5, "equal")]
    # The same figure as before, and it is wrong now: it is compared all the same.
    assert results(world) == [(5, 2, "different")]


def test_while_a_position_is_on_its_way_a_count_cannot_be_compared(world: World) -> None:
    publish(world, a_position("A", available=5, told_at=0))
    world.clock.move(60)
    world.prepare(*world.tell(a_position("A", available=4, told_at=60)))
    believe(world, 5)
    waiting = results(world)
    world.work()
    world.clock.move(9)
    believe(world, 4)
    just_answered = results(world)
    world.clock.move(2)
    believe(world, 4)

    assert waiting == [(5, None, "on_the_way")]
    assert just_answered == [(4, None, "on_the_way")]
    assert results(world) == [(4, 4, "equal")]


def test_a_position_that_was_refused_left_what_was_there_unless_its_answer_was_lost(world: World) -> None:
    publish(world, *(a_position(sku, available=5, told_at=0) for sku in "AB"))
    world.erp.refused["stock/shopify/A@berlin"] = Rejected("INVALID", "not now", "ask them")
    publish(world, a_position("A", available=4, told_at=1))
    world.prepare(*world.tell(a_position("B", available=4, told_at=1)))
    world.erp.script.append(Uncertain("the answer was lost"))
    letter = world.tray.take()
    assert letter
    world.work_letter(letter)
    world.clock.move(60)
    believe(world, 5, "A")
    believe(world, 5, "B")

    assert results(world) == [(5, 5, "equal"), (5, None, "on_the_way")]


def test_an_older_count_changes_nothing_and_a_newer_one_takes_its_place(world: World) -> None:
    publish(world, a_position("A", available=5))
    world.clock.move(100)
    for available, told_at in ((5, 80), (7, 60), (6, 90)):
        world.prepare(*world.tell(a_count("A", available=available, told_at=told_at)))

    assert results(world) == [(6, 5, "different")]
    assert world.rows("select state from events where source = 'stores' order by id") == [("done",), ("stale",), ("done",)]


def test_a_count_of_a_source_that_speaks_for_no_target_is_parked_with_what_to_do(world: World) -> None:
    world.prepare(*world.tell(a_count("A", source="open")))

    [(state, code, remedy)] = world.rows("select state, failure_code, failure_remedy from events")
    assert (state, code) == ("parked", "count.of_nobody")
    assert "speaks_for" in str(remedy)
    assert results(world) == []


def test_only_counts_of_the_window_count(world: World) -> None:
    publish(world, a_position("A", available=5))
    world.clock.move(100)
    believe(world, 5)

    with world.ledger.read() as session:
        assert counts.accuracy(session, [TARGET], at(101)) == []
        assert counts.apart(session, [TARGET], at(101), 5) == []
