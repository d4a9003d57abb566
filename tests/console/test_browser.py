"""The console in a real browser: keyboard alone, light and dark, small screens, live without reload, nothing refused."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, expect
from starlette.responses import HTMLResponse, Response

import ledger.actions
from ledger.actions import Actor
from ledger.chain import Action
from tests.browser import Tab, a_tab, chromium, pictured
from tests.console.running import PASSWORD, Running, a_console
from workers.console.app import ALL_PAGES
from workers.console.desk import STATIC
from workers.console.live import Live
from workers.console.page import Page, Visit

_LIVE_PAGE = """
{% extends "base.html" %}{% from "live.html" import live %}
{% block title %}Ticks{% endblock %}
{% block content %}<h1>Ticks</h1>{{ live("ticks", "not yet") }}{% endblock %}
"""


def ticks(visit: Visit) -> Response:
    template = visit.desk._templates.from_string(_LIVE_PAGE)
    token = visit._sessions.token(visit.session.id)
    return HTMLResponse(template.render(user=visit.user, csrf_token=token, path="/ticks", words=[]))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("console")
    count = iter(range(1, 1_000_000))
    lives = (Live("ticks", lambda desk: f"<b>tick {next(count)}</b>", 0.2),)
    pages = (*ALL_PAGES, Page("/ticks", ticks, name="ticks", menu="Ticks"))
    with a_console(f"sqlite:///{folder / 'ledger.db'}", folder, pages=pages, lives=lives) as made:
        now = made.world.clock.now()
        with made.world.ledger.write() as session:
            ledger.actions.write(
                session, Action(now, "ann", "lane.pause", "deliver.netsuite", "wrong codes", {}, {"until": None})
            )
            ledger.actions.record(session, Actor("bob", "a reason " * 12), "retry", [f"d{n}" for n in range(60)], now)
        yield made


def sign_in(tab: Tab, running: Running, name: str = "operator", to: str = "/audit") -> None:
    tab.page.goto(f"{running.url}{to}")
    tab.page.get_by_label("Name").fill(name)
    tab.page.get_by_label("Password").fill(PASSWORD)
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.wait_for_url(f"{running.url}{to}")


def test_everything_is_done_by_keyboard_alone(browser: Browser, running: Running, tmp_path: Path) -> None:
    with a_tab(browser) as tab, pictured(tab, tmp_path, "keyboard"):
        page, keys = tab.page, tab.page.keyboard

        def focused() -> str:
            found: str = page.evaluate("document.activeElement.innerText || document.activeElement.name || ''")
            return found.strip()

        def tab_to(words: str) -> None:
            for _ in range(40):
                if focused().startswith(words):
                    return
                keys.press("Tab")
            raise AssertionError(f"{words!r} is not reached; last at {focused()!r}")

        page.goto(f"{running.url}/audit")
        keys.type("operator")
        keys.press("Tab")
        keys.type(PASSWORD)
        keys.press("Enter")
        page.wait_for_url(f"{running.url}/audit")
        keys.press("Tab")
        assert focused() == "Skip to the content"
        keys.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        tab_to("by")
        keys.type("ann")
        keys.press("Enter")
        page.wait_for_url("**by=ann**")
        assert page.locator("tbody tr").count() == 1
        tab_to("show")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        keys.press("Enter")
        expect(page.get_by_text('"until": null')).to_be_visible()
        page.evaluate("document.activeElement.blur()")
        tab_to("Sign out")
        keys.press("Enter")
        page.wait_for_url("**/sign-in")

        assert outline == "solid"
        assert tab.complaints == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_of_the_frame_fits_and_breaks_no_rule_of_its_policy(
    browser: Browser, running: Running, tmp_path: Path, dark: bool, width: int
) -> None:
    with a_tab(browser, dark=dark, width=width) as tab, pictured(tab, tmp_path, f"{dark}-{width}"):
        sign_in(tab, running)
        for path in ("/audit", "/you", "/ticks"):
            tab.page.goto(f"{running.url}{path}")
            wide = tab.page.evaluate("document.documentElement.scrollWidth")
            ground = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
            light = sum(int(number) for number in re.findall(r"\d+", ground)[:3]) / 3

            assert wide <= width, path
            assert (light < 128) == dark, (path, ground)
        assert tab.complaints == []


def test_a_part_renews_itself_without_reload_and_says_that_it_is_live(browser: Browser, running: Running, tmp_path: Path) -> None:
    with a_tab(browser) as tab, pictured(tab, tmp_path, "live"):
        sign_in(tab, running, to="/ticks")
        tab.page.evaluate("window.sameDocument = true")
        part = tab.page.locator("[sse-swap=ticks]")
        expect(part).to_contain_text("tick")
        first = part.inner_text()
        expect(part).not_to_have_text(first)
        expect(tab.page.locator("#pulse")).to_have_text("live")

        assert tab.page.evaluate("window.sameDocument")
        assert tab.complaints == []


def test_a_page_leaves_for_the_sign_in_when_the_session_ends_elsewhere(
    browser: Browser, running: Running, tmp_path: Path
) -> None:
    with a_tab(browser) as tab, pictured(tab, tmp_path, "ended"):
        sign_in(tab, running, name="approver", to="/ticks")
        expect(tab.page.locator("#pulse")).to_have_text("live")
        other = tab.context.new_page()
        other.goto(f"{running.url}/you")
        other.get_by_role("button", name="Sign out").click()

        tab.page.wait_for_url("**/sign-in?next=/ticks")


def test_a_script_that_got_into_a_page_does_not_run_and_is_complained_about(browser: Browser, running: Running) -> None:
    with a_tab(browser) as tab:
        sign_in(tab, running)
        tab.page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
            " document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\" onclick=\"window.ran = 2\">x</p>'); }"
        )
        tab.page.get_by_text("x", exact=True).click()

        assert tab.page.evaluate("window.ran") is None
        assert any("Content Security Policy" in told for told in tab.complaints), tab.complaints


def test_what_people_wrote_is_shown_and_never_run(browser: Browser, running: Running) -> None:
    words = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
    with running.world.ledger.write() as session:
        ledger.actions.write(session, Action(running.world.clock.now(), "eve", "note", "d1", words, {}, {"a": words}))
    with a_tab(browser) as tab:
        sign_in(tab, running)
        tab.page.goto(f"{running.url}/audit?by=eve")

        expect(tab.page.locator("td.words")).to_have_text(words)
        assert tab.page.evaluate("window.ran") is None
        assert tab.complaints == []


@contextmanager
def a_site(html: str) -> Iterator[str]:
    """Another site on this machine; browsers take its other port for another origin."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def test_another_site_neither_frames_a_page_nor_posts_to_it(browser: Browser, running: Running) -> None:
    frame = f"<iframe src='{running.url}/sign-in'></iframe>"
    form = f"<form method=post action='{running.url}/audit/check'><button>Win</button></form>"
    with a_tab(browser) as tab, a_site(frame + form) as elsewhere:
        sign_in(tab, running)
        checks = len(running.deeds(action="console.audit.check", allowed=True))
        tab.page.goto(elsewhere)
        framed = [one.content() for one in tab.page.frames[1:]]
        with tab.page.expect_response("**/audit/check") as came:
            tab.page.get_by_text("Win").click()

        assert all("Password" not in html for html in framed)
        assert any("frame" in told.lower() for told in tab.complaints), tab.complaints
        assert came.value.status in (401, 403)
        assert len(running.deeds(action="console.audit.check", allowed=True)) == checks


def test_an_operator_checks_the_chain_and_sees_what_was_broken(browser: Browser, running: Running, tmp_path: Path) -> None:
    with a_tab(browser) as tab, pictured(tab, tmp_path, "chain"):
        sign_in(tab, running)
        tab.page.get_by_role("button", name="Check the chain").click()
        expect(tab.page.get_by_text("The chain is whole")).to_be_visible()
        tab.page.get_by_role("link", name="Older").click()
        expect(tab.page.get_by_text("lane.pause")).to_be_visible()
        with running.world.ledger.write() as session:
            session.exec_driver_sql("DROP TRIGGER actions_never_updated")
            session.exec_driver_sql("UPDATE actions SET by = 'bob' WHERE sequence = 1")
        tab.page.get_by_role("button", name="Check the chain").click()

        expect(tab.page.get_by_text("The chain is broken")).to_be_visible()
        expect(tab.page.get_by_text("Link 1 was changed")).to_be_visible()


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_words_is_readable_on_its_ground(scheme: int) -> None:
    # WCAG 2.2, 1.4.3: at least 4.5 to 1.
    block = re.findall(r":root \{(.*?)\}", (STATIC / "console.css").read_text(), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-fA-F]{6});", block))
    pairs = [(ink, ground) for ink in ("ink", "quiet", "accent") for ground in ("ground", "paper", "hover")]
    pairs += [(kind, f"{kind}-ground") for kind in ("good", "bad", "warn", "info")] + [("accent-ink", "accent")]
    for ink, ground in pairs:
        one, other = sorted((_luminance(colours[ink]), _luminance(colours[ground])))
        assert (other + 0.05) / (one + 0.05) >= 4.5, (ink, ground)
