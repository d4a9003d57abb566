"""Settlements in the console: the tile, the list, one exception, explaining it, and what the order's page shows."""

from pathlib import Path

from tasks.reconcile import reconcile
from tests.console.running import Running, a_console
from tests.documents import a_settlement, an_order
from tests.documents import a_settlement_line as a_line
from workers.console.pages.overview import Tile, picture


def tile(running: Running) -> Tile:
    return next(one for one in picture(running.console.desk).tiles if one.title == "Settlement exceptions")


def test_an_exception_is_seen_by_a_reader_explained_by_an_operator_and_gone_from_the_overview(
    sqlite_url: str, tmp_path: Path
) -> None:
    with a_console(sqlite_url, tmp_path) as running:
        world, reader, operator = running.world, running.person("reader"), running.person("operator")
        none = tile(running)
        lines = [a_line(amount="9.50"), a_line("2", kind="fee", amount="-1.20"), a_line("3", order=None, amount="0.25")]
        world.prepare(*world.tell(an_order(), a_settlement("PO-1", *lines)))
        reconcile(world.context)
        world.clock.move(90)
        open_ones = tile(running)
        page, order = reader.get("/settlements").text, reader.get("/orders/shopify/1001").text
        nobodys = reader.get("/settlements?reason=unattributed&source=shopify").text
        one = {name: person.get("/settlements/1").text for name, person in (("reader", reader), ("operator", operator))}
        form = {"csrf": operator.token(), "why": "a voucher of the marketplace"}
        refused = reader.post("/settlements/1/explain", form | {"csrf": reader.token()}).status
        empty = operator.post("/settlements/1/explain", form | {"why": " "}).status
        done = operator.post("/settlements/1/explain", form)
        twice = operator.post("/settlements/1/explain", form).status
        explained = reader.get("/settlements?state=explained").text
        found = reader.get("/search?q=PO-1").headers["location"]
        mended, story = reader.get("/orders/shopify/1001").text, reader.get(found).text
        missing = reader.get("/settlements/99").status
        world.clock.move(200_000)

        assert (none.figure, none.tone) == ("none told", "muted")
        assert (open_ones.figure, open_ones.tone, open_ones.link) == ("2", "warn", "/settlements")
        assert open_ones.notes == ("oldest 1 min 30 s", "0.75 USD do not fit")
        for told in ("Paid another amount", "order 1001", "-0.50 USD", "Names no order", "row PO-1/3", "8.55 USD", "1 of 1"):
            assert told in page, told
        assert ("row PO-1/3" in nobodys, "order 1001" in nobodys) == (True, False)
        for told in ("What was paid for it", "Fee", "-1.20 USD", "Paid another amount: -0.50 USD", "sale 9.50 USD"):
            assert told in order, told
        assert ('name="why"' in one["reader"], 'name="why"' in one["operator"]) == (False, True)
        assert (refused, empty, done.status, twice) == (403, 422, 303, 409)
        assert "operator: a voucher of the marketplace" in explained
        assert "Paid another amount:" not in mended
        assert "Settlement of payout PO-1" in story
        assert (tile(running).figure, tile(running).tone) == ("1", "bad")
        assert missing == 404
        assert [one.done.role for one in running.deeds(action="settlement.explain")] == ["operator"]
