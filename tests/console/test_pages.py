"""The pages in a real browser, by clicking only, on a ledger as on a busy morning; what they refuse, and to whom."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from canonical.outcome import Rejected
from ledger.failures import FailureKey
from tasks.jobs import work
from tests.browser import chromium
from tests.console.a_day import a_busy_morning
from tests.console.clicking import WAIT_MS, a_person, reason, see, tile
from tests.console.running import Running, a_console
from tests.documents import an_order
from tests.tasks.desk import of_unknown_item, refused
from tests.tasks.world import World
from workers.console.pages import PAGES


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def running(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    with a_console(sqlite_url, tmp_path) as made:
        yield made


def test_an_operations_manager_sees_what_waits_in_retail_words(running: Running, browser: Browser, tmp_path: Path) -> None:
    a_busy_morning(running.world)

    with a_person(browser, running, "reader", tmp_path) as tab:
        orders = tile(tab, "Orders awaiting ERP posting")
        expect(orders.locator(".figure")).to_have_text("51")
        expect(orders).to_contain_text("4\u202f743.50 USD in 45 of them")
        expect(orders).to_contain_text("6 of them need a person")
        expect(tile(tab, "Reservations pending")).to_contain_text("This fleet posts no reservations")
        expect(tile(tab, "Shipments not reconciled").locator(".figure")).to_have_text("1")
        expect(tile(tab, "Refunds not in finance").locator(".figure")).to_have_text("1")
        row = tab.page.locator(".stages tbody tr").filter(has_text="shopify")
        expect(row.locator("td").nth(2)).to_contain_text("37")
        expect(row.locator("td").nth(6)).to_contain_text("1 h 34 min")
        see(tab, "Job 1 halted: too much failed again")
        see(tab, "sales has 1 exception past the due time")
        assert tab.complaints == []


def test_an_order_that_is_told_shows_without_reload_and_leaves_when_it_is_done(
    running: Running, browser: Browser, tmp_path: Path
) -> None:
    with a_person(browser, running, "reader", tmp_path) as tab:
        see(tab, "Nothing is on its way")
        figure = tile(tab, "Orders awaiting ERP posting").locator(".figure")
        tab.page.evaluate("window.same = true")

        receipts = running.world.tell(an_order("1"), an_order("2"))
        expect(figure).to_have_text("2")
        running.world.prepare(*receipts)
        running.world.work()
        expect(figure).to_have_text("0")
        assert tab.page.evaluate("window.same"), "the page was reloaded"


def test_a_refused_order_is_found_understood_edited_and_replayed_by_clicking_only(
    running: Running, browser: Browser, tmp_path: Path
) -> None:
    of_unknown_item(running.world, "77", sku="MUG-BLUE")

    with a_person(browser, running, "operator", tmp_path) as tab:
        tab.page.get_by_role("link", name="Failure desk").click()
        tab.page.get_by_role("link", name="sandbox has no item for …").click()
        tab.page.get_by_role("link", name="d1", exact=True).click()
        see(tab, "crossrefs set sandbox item MUG-BLUE")
        tab.page.get_by_role("link", name="Edit the document…").click()
        document = tab.page.get_by_label("Document")
        document.fill(document.input_value().replace("MUG-BLUE", "SKU-0001"))
        reason(tab.page.locator("form.editor"), "renamed in the ERP")
        tab.page.get_by_role("button", name="Show the difference…").click()
        row = tab.page.locator(".diff tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("lines[0].skuMUG-BLUESKU-0001")
        tab.page.get_by_role("button", name="Make it, and replay").click()
        see(tab, "d1 is edited and given back to work")
        see(tab, "edited by operator: lines\\[0\\].sku")

        running.world.work()
        see(tab, "Everything that was told is done.")
        assert tab.complaints == []
    edit = running.deeds(action="edit")[0].done
    assert (edit.by, edit.reason, edit.role) == ("operator", "renamed in the ERP", "operator")


def test_an_edit_that_is_not_right_is_told_why_and_nothing_typed_is_lost(
    running: Running, browser: Browser, tmp_path: Path
) -> None:
    of_unknown_item(running.world, "77", sku="MUG-BLUE")

    with a_person(browser, running, "operator", tmp_path) as tab:
        tab.page.goto(f"{running.url}/failures/d1/edit")
        tab.page.get_by_label("Document").fill('{"kind": "order"}')
        reason(tab.page.locator("form.editor"), "a try")
        tab.page.get_by_role("button", name="Show the difference…").click()
        see(tab, "Not made: it is not a right document")
        expect(tab.page.get_by_label("Document")).to_have_value('{"kind": "order"}')
        expect(tab.page.locator("input[name=why]")).to_have_value("a try")


def test_a_group_is_counted_first_and_then_replayed_as_a_job_that_is_watched_live(
    running: Running, browser: Browser, tmp_path: Path
) -> None:
    world = running.world
    refused(world, "1", "2", "3")

    with a_person(browser, running, "operator", tmp_path) as tab:
        tab.page.goto(f"{running.url}/failures")
        tab.page.get_by_role("link", name="no such customer #").click()
        form = tab.page.locator("form.panel").filter(has_text="Retry the group").first
        reason(form, "the customers are there now")
        form.get_by_role("button", name="Retry the group…").click()
        see(tab, "Replay 3 rows")
        see(tab, "30.00 USD")
        assert world.rows("select count(*) from jobs") == [(0,)], "a preview starts nothing"
        tab.page.get_by_role("button", name="Replay 3 rows").click()
        see(tab, "0 of 3")

        world.erp.script.append(Rejected("INVALID", "still no such customer", "add it"))
        one_round(world)
        see(tab, "halted")
        see(tab, "1 of the 1 sent in this rung failed")
        reason(tab.page.locator("form.panel"), "that one is another matter")
        tab.page.get_by_role("button", name="Resume").click()
        one_round(world)
        see(tab, "2 of 3")
        assert tab.complaints == []


def test_picked_rows_are_replayed_and_others_stay(running: Running, browser: Browser, tmp_path: Path) -> None:
    keys = refused(running.world, "1", "2", "3")

    with a_person(browser, running, "operator", tmp_path) as tab:
        tab.page.goto(f"{running.url}/failures")
        tab.page.get_by_label(f"Pick {keys[0]}").check()
        tab.page.get_by_label(f"Pick {keys[2]}").check()
        form = tab.page.locator("form").filter(has_text="Retry what is picked…")
        reason(form, "both are there now")
        form.get_by_role("button", name="Retry what is picked…").click()
        see(tab, "2 picked")
        tab.page.get_by_role("button", name="Replay 2 rows").click()
        see(tab, "0 of 2")
    chosen = running.world.rows("select row_id from job_items order by row_id")
    assert [FailureKey("delivery", int(str(row[0]))) for row in chosen] == [keys[0], keys[2]]


def test_a_failure_that_comes_joins_the_list_and_what_was_ticked_and_typed_stays(
    running: Running, browser: Browser, tmp_path: Path
) -> None:
    [first] = refused(running.world, "1")

    with a_person(browser, running, "operator", tmp_path) as tab:
        tab.page.goto(f"{running.url}/failures")
        box = tab.page.get_by_label(f"Pick {first}", exact=True)
        box.check()
        form = tab.page.locator("form").filter(has_text="Retry what is picked…")
        reason(form, "both are there now")
        box.focus()
        [second] = refused(running.world, "2")

        expect(tab.page.get_by_label(f"Pick {second}", exact=True)).to_be_visible(timeout=WAIT_MS)
        expect(tab.page.get_by_label(f"Pick {second}", exact=True)).not_to_be_checked()
        expect(box).to_be_checked()
        expect(box).to_be_focused()
        expect(form.locator("input[name=why]")).to_have_value("both are there now")


def test_a_lane_is_paused_and_resumed_with_a_reason_and_a_second_look(running: Running, browser: Browser, tmp_path: Path) -> None:
    with a_person(browser, running, "operator", tmp_path) as tab:
        tab.page.goto(f"{running.url}/lanes")
        tab.page.get_by_role("link", name="deliver.sandbox").click()
        form = tab.page.locator("form.panel").filter(has_text="Pause")
        form.get_by_label("For").select_option(label="1 hour")
        reason(form, "wrong tax codes")
        form.get_by_role("button", name="Pause…").click()
        see(tab, "no attempt is spent")
        assert running.deeds(action="lane.pause") == [], "a look changes nothing"
        tab.page.get_by_role("button", name="Pause it").click()
        see(tab, "wrong tax codes \\(operator\\)")
        form = tab.page.locator("form.panel").filter(has_text="Resume")
        reason(form, "codes are mended")
        form.get_by_role("button", name="Resume…").click()
        tab.page.get_by_role("button", name="Resume it").click()
        see(tab, "The lane goes on")
        assert tab.complaints == []
    assert [one.done.reason for one in running.deeds(action="lane.*")] == ["codes are mended", "wrong tax codes"]
    assert running.deeds(action="lane.resume")[0].done.role == "operator"


def test_every_page_is_whole_in_the_light_in_the_dark_and_on_a_small_screen(
    running: Running, browser: Browser, tmp_path: Path
) -> None:
    keys = a_busy_morning(running.world)
    group = running.world.rows("select fingerprint from cases limit 1")[0][0]
    given = {"lane": "deliver.sandbox", "group": group, "key": keys[0], "job_id": 1, "name": "black-friday", "finding_id": 1}
    given |= {"source": "shopify", "order_key": "8001"}
    whole = [page for page in PAGES if page.method == "GET" and not page.name.endswith("_now")]
    paths = [page.path.replace(":path", "").replace(":int", "").format(**given) for page in whole]

    # In the dark, on a small screen: those with tables, forms, meters and the story.
    some = ["/", "/lanes/deliver.sandbox", "/failures", f"/failures/{keys[0]}", "/orders/shopify/8001"]
    for dark, width, looked_at in ((False, 1280, paths), (True, 400, some)):
        with a_person(browser, running, "admin", tmp_path, dark=dark, width=width) as tab:
            for path in looked_at:
                answer = tab.page.goto(f"{running.url}{path}")
                assert answer is not None
                assert answer.status == 200, path
                # To look at, and for docs/console.md: pytest -o tmp_path_retention_policy=all keeps them.
                tab.page.screenshot(
                    path=tmp_path / f"{path.strip('/').replace('/', '-') or 'overview'}-{width}.png", full_page=True
                )
            tab.page.goto(f"{running.url}/")
            assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it is cut off"
            assert tab.complaints == []


def test_the_desk_can_be_worked_with_the_keyboard_alone(running: Running, browser: Browser, tmp_path: Path) -> None:
    refused(running.world, "1")

    with a_person(browser, running, "operator", tmp_path) as tab:
        tab.page.goto(f"{running.url}/failures/d1")
        tab.page.keyboard.press("Tab")
        expect(tab.page.locator(".skip")).to_be_focused()
        tab.page.keyboard.press("Enter")
        field = tab.page.locator("form[action$='/retry'] input[name=why]")
        for _ in range(12):
            tab.page.keyboard.press("Tab")
            if field.evaluate("it => it === document.activeElement"):
                break
        tab.page.keyboard.type("the customer is there now")
        tab.page.keyboard.press("Enter")
        see(tab, "d1 is given back to work")


def test_a_link_keeps_the_focus_while_its_part_renews_itself(running: Running, browser: Browser, tmp_path: Path) -> None:
    with a_person(browser, running, "reader", tmp_path) as tab:
        tab.page.goto(f"{running.url}/")
        link = tab.page.locator("#lane-orders")
        link.focus()
        running.world.tell(an_order("1"))
        expect(tile(tab, "Orders awaiting ERP posting").locator(".figure")).to_have_text("1")
        expect(link).to_be_focused()


def one_round(world: World) -> None:
    """A round of the relay's jobs, the fleet's work after it, and the round that sees what became of it."""
    for _ in range(3):
        work(world.context, "relay")
        world.work()
        world.clock.move(1)
