"""`millrace reprioritize` as an operator types it, on both databases; the broker is away, the rows are what matters."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.documents import an_order
from tests.tasks.world import World, a_world
from tests.workers.command_line import AWAY, Ended, millrace


@dataclass(frozen=True, slots=True)
class Queues:
    """Three orders that wait to be posted."""

    world: World
    url: str

    def run(self, *words: object) -> Ended:
        ended = millrace("reprioritize", *(str(word) for word in words), LEDGER_URL=self.url, BROKER_URL=AWAY)
        assert "Traceback" not in ended.err
        return ended

    def classes(self) -> list[object]:
        return [cls for (cls,) in self.world.rows("select class from deliveries order by id")]


@pytest.fixture
def queues(ledger_url: str) -> Iterator[Queues]:
    with a_world(ledger_url) as world:
        world.prepare(*world.tell(an_order("1"), an_order("2"), an_order("3", total="900.00")))
        yield Queues(world, ledger_url)


def test_a_move_is_counted_made_listed_and_undone(queues: Queues) -> None:
    words = ("--filter", "lane=deliver.sandbox", "--filter", "total-at-least=500", "--class", "high")
    counted = queues.run(*words, "--dry-run", "--json").json
    unasked = queues.run(*words, "--why", "big baskets")
    made = queues.run(*words, "--why", "big baskets", "--by", "anna", "--yes", "--json")
    moved = queues.classes()
    [listed] = queues.run("list", "--json").json
    undone = queues.run("undo", made.json["move"], "--why", "too many", "--json")

    place = {"lane": "deliver.sandbox", "domain": "orders", "cls": "normal", "state": "queued", "count": 1}
    assert counted == {"class": "high", "rows": 1, "places": [place]}
    assert (unasked.code, "say --yes" in unasked.err) == (4, True)
    assert made.json == {"move": 1, "class": "high", "moved": 1}
    assert "1 of 1 rows" in made.err
    assert moved == ["normal", "normal", "high"]
    assert (listed["by"], listed["why"], listed["moved"], listed["filter"]["total_at_least"]) == ("anna", "big baskets", 1, "500")
    assert (undone.json["back"], queues.classes()) == (1, ["normal"] * 3)


def test_a_move_that_meets_nothing_is_none(queues: Queues) -> None:
    ended = queues.run("--filter", "kind=return", "--class", "high", "--why", "x", "--yes", "--json")

    assert (ended.code, ended.json["moved"]) == (0, 0)
    assert queues.run("list", "--json").json == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--class", "high", "--why", "x"), 2, "--filter NAME=VALUE, or --all"),
        (("--all", "--class", "urgent", "--why", "x"), 2, "write high, normal or low"),
        (("--all", "--class", "high", "--yes"), 2, "say why"),
        (("--filter", "lane", "--class", "high", "--why", "x"), 2, "write NAME=VALUE"),
        (("--filter", "colour=red", "--class", "high", "--why", "x"), 2, "total-at-least"),
        (("--filter", "kind=parcel", "--class", "high", "--why", "x"), 2, "order, shipment, return"),
        (("--filter", "kind=order", "--filter", "kind=return", "--class", "high", "--why", "x"), 2, "given twice"),
        (("--filter", "older=soon", "--class", "high", "--why", "x"), 2, "no moment"),
        (("--filter", "total-below=cheap", "--class", "high", "--why", "x"), 2, "no amount"),
        (("--filter", "lane=deliver.nowhere", "--class", "high", "--why", "x"), 4, "no lane"),
        (("undo", "7", "--why", "x"), 3, "no move 7"),
        (("undo", "7"), 2, "say why"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)
def test_what_is_not_right_is_refused_with_a_remedy(queues: Queues, words: tuple[str, ...], code: int, said: str) -> None:
    ended = queues.run(*words)

    assert (ended.code, said in ended.err) == (code, True), ended
    assert queues.classes() == ["normal"] * 3
