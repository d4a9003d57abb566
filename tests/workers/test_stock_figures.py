"""The figures of stock and the commands that list what they are made of, on both databases, out of one small history."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import DEFAULT_FLEET
from telemetry.figures import FIGURES
from tests.documents import MORNING, a_count, a_position, an_order
from tests.tasks.world import TARGET, World, a_counted_fleet, a_promising_fleet, a_world
from tests.workers.command_line import Ended, millrace
from workers.stock_figures import stock_of

OF_STOCK = {
    "millrace_inventory_accuracy_ratio",
    "millrace_inventory_counts",
    "millrace_inventory_pieces_apart",
    "millrace_inventory_mean_pieces_apart",
    "millrace_orders_cancelled_for_stock",
    "millrace_oversell_ratio",
    "millrace_positions_oversold",
    "millrace_positions_oversold_pieces",
    "millrace_orders_without_reservation",
    "millrace_orders_without_reservation_oldest_age_seconds",
    "millrace_backlog_by_location",
    "millrace_backlog_by_location_oldest_age_seconds",
}
FLEET = """
[sources.stores]
channel = "open"
secrets = ["OPEN"]
speaks_for = "sandbox"

[[routes]]
target = "sandbox"
kinds = ["stock"]

[[routes]]"""


@dataclass(frozen=True, slots=True)
class Shop:
    """A filled ledger and the command line on it."""

    world: World
    url: str
    fleet_file: Path

    def run(self, *words: str) -> Ended:
        ended = millrace("stock", *words, LEDGER_URL=self.url, FLEET_FILE=str(self.fleet_file))
        assert "Traceback" not in ended.err
        return ended


@pytest.fixture
def shop(ledger_url: str, tmp_path: Path) -> Iterator[Shop]:
    """Told half an hour ago: four SKUs published, one of them below zero, three of them and another one counted; then three
    orders of a shop that promises to reserve, one of them cancelled for want of stock, two of them open in Berlin.
    """
    text = DEFAULT_FLEET.read_text().replace('secrets = ["SHOPIFY"]', 'secrets = ["SHOPIFY"]\nreserves_within_s = 900')
    fleet_file = tmp_path / "fleet.toml"
    fleet_file.write_text(text.replace("[[routes]]", FLEET, 1))
    with a_world(ledger_url, items=False, fleet=a_counted_fleet(a_promising_fleet())) as world:
        world.clock.at = datetime.now(UTC) - timedelta(seconds=1_800)
        stock = {"A": 5, "B": 5, "C": 5, "D": -2}
        world.prepare(*world.tell(*(a_position(sku, available=available) for sku, available in stock.items())))
        world.work()
        world.clock.move(60)
        counted = (world.clock.now() - MORNING).total_seconds()
        believed = {"A": 5, "B": 9, "C": 4, "Z": 1}
        world.prepare(*world.tell(*(a_count(sku, available=n, told_at=counted) for sku, n in believed.items())))
        world.prepare(*world.tell(an_order("1"), an_order("2", location="berlin"), an_order("3", location="berlin")))
        world.prepare(*world.tell(an_order("1", told_at=1, status="cancelled", cancel_reason="stock")))
        yield Shop(world, ledger_url, fleet_file)


def test_every_figure_of_stock_says_what_the_history_was(shop: Shop) -> None:
    world = shop.world
    world.clock.move(1_000)

    with world.ledger.read() as session:
        found = list(stock_of(session, world.context.fleet, world.clock.now()))

    assert {one.metric for one in found} == OF_STOCK
    assert {(one.metric, tuple(one.labels)) for one in found} == {(name, FIGURES[name].labels) for name in OF_STOCK}
    assert {(one.metric.removeprefix("millrace_"), *one.labels.values()): one.value for one in found} == {
        ("inventory_accuracy_ratio", TARGET): pytest.approx(1 / 3),
        ("inventory_counts", TARGET, "equal"): 1,
        ("inventory_counts", TARGET, "different"): 2,
        ("inventory_counts", TARGET, "on_the_way"): 0,
        ("inventory_counts", TARGET, "unpublished"): 1,
        ("inventory_pieces_apart", TARGET, "over"): 4,
        ("inventory_pieces_apart", TARGET, "under"): 1,
        ("inventory_mean_pieces_apart", TARGET): pytest.approx(5 / 3),
        ("orders_cancelled_for_stock", "shopify"): 1,
        ("oversell_ratio", "shopify"): pytest.approx(1 / 3),
        ("positions_oversold", "shopify"): 1,
        ("positions_oversold_pieces", "shopify"): 2,
        ("orders_without_reservation", "shopify"): 2,
        ("orders_without_reservation_oldest_age_seconds", "shopify"): 1_000,
        ("backlog_by_location", "berlin", "orders", "prepared"): 2,
        ("backlog_by_location", "none", "orders", "prepared"): 1,
        ("backlog_by_location", "none", "orders", "waiting"): 1,
        ("backlog_by_location_oldest_age_seconds", "berlin", "orders", "prepared"): 1_000,
        ("backlog_by_location_oldest_age_seconds", "none", "orders", "prepared"): 1_000,
        ("backlog_by_location_oldest_age_seconds", "none", "orders", "waiting"): 1_000,
    }


def test_the_commands_list_what_the_figures_are_made_of(shop: Shop) -> None:
    accuracy, table = shop.run("accuracy", "--json").json, shop.run("accuracy", "--target", TARGET, "--most", "1")
    oversold, words = shop.run("oversold", "--json").json, shop.run("oversold", "--source", "open")
    unreserved = shop.run("unreserved", "--json").json
    wrong = [shop.run("accuracy", "--target", "erp"), shop.run("unreserved", "--source", "open")]

    (target,) = accuracy["targets"]
    assert (target["target"], target["equal"], target["different"], target["ratio"]) == (TARGET, 1, 2, pytest.approx(1 / 3))
    assert [(row["sku"], row["apart"], row["counted_by"]) for row in accuracy["apart"]] == [
        ("B", 4, "stores"),
        ("C", -1, "stores"),
    ]
    assert "33.33% of 3 counts of a day agree" in table.err
    assert " B " in table.out
    assert " C " not in table.out
    assert [(one["channel"], one["told"], one["cancelled"]) for one in oversold["orders"]] == [("shopify", 3, 1)]
    assert [(row["sku"], row["available"]) for row in oversold["positions"]] == [("D", -2)]
    assert "no position is below zero" in words.err
    assert [(row["channel"], row["key"]) for row in unreserved] == [("shopify", "2"), ("shopify", "3")]
    assert [one.code for one in wrong] == [2, 2]
    assert "no source speaks for it" in wrong[0].err
    assert "(known: shopify)" in wrong[1].err


def test_where_nothing_is_promised_the_commands_say_what_to_set(sqlite_url: str) -> None:
    with a_world(sqlite_url):
        told = [millrace("stock", verb, LEDGER_URL=sqlite_url) for verb in ("accuracy", "oversold", "unreserved")]

    assert [one.code for one in told] == [0, 0, 0]
    assert "speaks_for" in told[0].err
    assert "reserves_within_s" in told[2].err
