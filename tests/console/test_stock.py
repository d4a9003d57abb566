"""Stock in the console: the tile of pending reservations, a position's story, and the search by SKU."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from canonical.outcome import Rejected
from tests.console.running import Running, a_console
from tests.documents import a_position, a_reservation, an_order
from tests.tasks.world import a_promising_fleet
from workers.console.pages.overview import Tile, picture

KEY = "SKU-0001@berlin"


@pytest.fixture
def running(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    with a_console(sqlite_url, tmp_path, fleet=a_promising_fleet("open")) as made:
        yield made


def tile(running: Running) -> Tile:
    return next(one for one in picture(running.console.desk).tiles if one.title == "Reservations pending")


def test_the_tile_counts_reservations_that_wait_with_the_oldest_and_leads_to_their_lane(running: Running) -> None:
    world = running.world
    none = tile(running)
    world.prepare(*world.tell(a_reservation("v1"), a_reservation("v2", order_key="1002"), a_position()))
    world.clock.move(90)
    waiting = tile(running)
    world.work()

    assert (none.figure, none.tone) == ("0", "good")
    assert (waiting.figure, waiting.tone, waiting.link) == ("2", "warn", "/lanes/deliver.sandbox")
    assert waiting.notes == ("oldest 1 min 30 s, for sandbox",)
    assert tile(running).figure == "0"


def test_a_refused_reservation_leads_to_the_failure_desk(running: Running) -> None:
    world = running.world
    world.erp.refused["reservation/shopify/v1"] = Rejected("open.422", "they refused it", "ask them")
    world.prepare(*world.tell(a_reservation("v1")))
    world.work()

    assert (tile(running).tone, tile(running).link) == ("bad", "/failures")


def test_a_sku_leads_to_its_story_told_as_stock(running: Running) -> None:
    world, reader = running.world, running.person("reader")
    world.prepare(*world.tell(a_position(told_at=0)))
    world.prepare(*world.tell(a_position(available=1, told_at=1)))
    world.work()

    found = reader.get("/search?q=SKU-0001")
    page = reader.get(found.headers["location"])

    assert found.headers["location"].endswith("/orders/shopify/SKU-0001%40berlin")
    assert f"Stock of {KEY}" in page.text
    assert "Publish the stock" in page.text
    assert "a newer one took its place" in page.text
    assert "Everything that was told is done." in page.text


def test_an_orders_page_shows_its_reservation(running: Running) -> None:
    world, reader = running.world, running.person("reader")
    world.prepare(*world.tell(a_reservation("v1"), an_order()))
    world.work()

    page = reader.get("/orders/shopify/1001")

    assert "Order #1001" in page.text
    assert "Reserve the stock" in page.text
    assert "reservation/shopify/v1" in page.text


def test_orders_without_a_promised_reservation_have_a_tile(running: Running) -> None:
    def tiles() -> list[Tile]:
        return [one for one in picture(running.console.desk).tiles if one.title == "Orders without reservation"]

    world = running.world
    world.prepare(*world.tell(an_order("1", source="open")))
    early = tiles()
    world.clock.move(960)
    late = tiles()

    assert [(one.figure, one.tone) for one in early] == [("0", "good")]
    assert [(one.figure, one.tone) for one in late] == [("1", "bad")]
    assert late[0].notes == ("open promised to reserve within 15 min; oldest 16 min 0 s",)


def test_where_no_channel_promises_there_is_no_such_tile(sqlite_url: str, tmp_path: Path) -> None:
    with a_console(sqlite_url, tmp_path) as running:
        assert "Orders without reservation" not in {one.title for one in picture(running.console.desk).tiles}


def test_the_overview_tells_the_backlog_by_location_where_orders_name_one(running: Running) -> None:
    world, reader = running.world, running.person("reader")
    world.prepare(*world.tell(an_order("1")))
    nowhere = reader.get("/").text
    world.prepare(*world.tell(an_order("2", location="berlin-<b>"), an_order("3", location="berlin-<b>")))
    page = reader.get("/").text

    assert "Backlog by location" not in nowhere
    assert "Backlog by location" in page
    assert '<th scope="row">berlin-&lt;b&gt;</th>' in page
    assert '<th scope="row">none</th>' in page
