"""The console's gate: every route for every role and method, foreign posts, hosts, sizes, headers; all of it noted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.running import PASSWORD, Person, Running, a_console
from workers.console.app import ALL_PAGES
from workers.console.live import Live
from workers.console.page import Page, Permission, Visit
from workers.console.roles import Role, held_by
from workers.console.security import CONTENT_SECURITY_POLICY, MOST_BODY_BYTES

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
LIVES = (Live("clock", lambda desk: "tick"), Live("vault", lambda desk: "gold", needs=Permission.ADMIN))


def _done(visit: Visit) -> object:
    return visit.show("words.html", kind="good", told=visit.form.get("word", "read"))


def _broken(visit: Visit) -> object:
    raise RuntimeError("canary-inside")


PROBES = tuple(
    Page(f"/probe/{need}/{method.lower()}", _done, need, method, f"probe.{need}")  # type: ignore[arg-type]  # it is a response
    for need in Permission
    for method in ("GET", "POST")
)
BROKEN = Page("/broken", _broken)  # type: ignore[arg-type]  # it never answers
PAGES = (*ALL_PAGES, *PROBES, BROKEN)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("console")
    with a_console(f"sqlite:///{folder / 'ledger.db'}", folder, pages=PAGES, lives=LIVES) as made:
        yield made


@pytest.fixture(scope="module")
def people(running: Running) -> dict[str | None, Person]:
    """One person of each role, and one who did not sign in."""
    return {None: running.person(), **{str(role): running.person(role) for role in Role}}


def path_of(page: Page) -> str:
    """The page's path with something in the place of every parameter."""
    return "/".join("1" if part.startswith("{") else part for part in page.path.split("/"))


@pytest.mark.parametrize("role", [None, *Role], ids=str)
def test_the_probes_answer_exactly_those_who_may(people: dict[str | None, Person], role: Role | None) -> None:
    person = people[role and str(role)]
    token = person.token() if role else "x"
    for page in PROBES:
        for method in METHODS:
            path = path_of(page)
            if method == "POST":
                seen = person.post(path, {"csrf": token, "word": "posted", "why": "test"}).status
            else:
                seen = person.ask(method, path).status
            allowed = method == page.method or (page.method == "GET" and method == "HEAD")
            if not allowed:
                wanted = {405}
            elif role is None:
                wanted = {401} if method == "POST" else {303}
            else:
                wanted = {200} if page.needs in held_by(role) else {403}
            assert seen in wanted, (role, method, path, seen)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_every_page_of_the_console_keeps_out_who_may_not(people: dict[str | None, Person], page: Page) -> None:
    path = path_of(page)
    for role, person in people.items():
        seen = person.get(path) if page.method == "GET" else person.post(path, {"csrf": "0" * 64})
        if role is None:
            assert seen.status == (303 if page.method == "GET" else 401)
        elif page.needs not in held_by(Role(role)) or page.method == "POST":
            # A post without the session's token is refused whatever the role: no page of the product acts in this test.
            assert seen.status == 403, (role, path)
        else:
            assert seen.status != 403, (role, path)
            assert seen.status < 500, (role, path)


def test_a_live_part_keeps_out_who_may_not(people: dict[str | None, Person]) -> None:
    assert people[None].get("/live/clock").status == 401
    assert people["approver"].get("/live/vault").status == 403
    assert people["approver"].get("/live/clock+vault").status == 403
    assert people["admin"].get("/live/nothing").status == 404


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ({}, {}),
        ({"csrf": ""}, {}),
        ({"csrf": "0" * 64}, {}),
        ({"csrf": "é"}, {}),
        ({"csrf": "TOKEN"}, {"origin": "https://elsewhere.example"}),
        ({"csrf": "TOKEN"}, {"origin": "null"}),
        ({"csrf": "TOKEN"}, {"sec_fetch_site": "cross-site"}),
        ({"csrf": "TOKEN"}, {"sec_fetch_site": "same-site"}),
        ({"csrf": "OTHER"}, {}),
    ],
)
def test_a_post_that_no_page_of_the_session_sent_is_refused(
    people: dict[str | None, Person], form: dict[str, str], headers: dict[str, str]
) -> None:
    known = {"TOKEN": people["operator"].token(), "OTHER": people["admin"].token()}
    told = {name: known.get(value, value) for name, value in form.items()}

    assert people["operator"].post("/probe/operate/post", told, **headers).status == 403


def test_the_token_may_come_in_a_header_as_htmx_sends_it(people: dict[str | None, Person]) -> None:
    operator = people["operator"]

    assert operator.post("/probe/operate/post", {}, x_csrf_token=operator.token()).status == 200


def test_every_post_is_noted_with_who_role_and_why_and_every_denial(running: Running) -> None:
    operator, reader = running.person("operator"), running.person("reader")
    operator.post("/probe/operate/post", {"csrf": operator.token(), "why": "because"})
    reader.post("/probe/admin/post", {"csrf": reader.token(), "why": "because"})
    reader.get("/probe/admin/get")
    reader.get("/probe/admin/get")

    deeds = [one.done for one in running.deeds()]
    posted = next(one for one in deeds if one.action == "console.probe.operate" and one.reason == "because")
    assert (posted.by, posted.role, posted.subject, posted.allowed) == ("operator", "operator", "/probe/operate/post", True)
    denied = [one for one in deeds if one.subject.startswith("/probe/admin/") and one.by == "reader"]
    assert {(one.subject, one.reason, one.allowed) for one in denied} == {
        ("/probe/admin/post", "needs admin", False),
        ("/probe/admin/get", "needs admin", False),
    }
    assert len([one for one in denied if one.subject == "/probe/admin/get"]) == 1


def test_what_cannot_be_noted_is_not_done(running: Running) -> None:
    operator, reader = running.person("operator"), running.person("reader")
    token = operator.token()
    before = len(running.deeds(subject="/probe/admin/get"))
    running.world.clock.move(61)
    with running.world.ledger.write() as session:
        session.exec_driver_sql("ALTER TABLE actions RENAME TO actions_away")
    try:
        answer = operator.post("/probe/operate/post", {"csrf": token, "word": "canary-done"})
        unheard = reader.get("/probe/admin/get")
    finally:
        with running.world.ledger.write() as session:
            session.exec_driver_sql("ALTER TABLE actions_away RENAME TO actions")

    assert (answer.status, unheard.status) == (503, 503)
    assert "canary-done" not in answer.text
    assert reader.get("/probe/admin/get").status == 403
    assert len(running.deeds(subject="/probe/admin/get")) == before + 1, "a denial is noted once it can be"


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "127.0.0.1@elsewhere.example", "a/b"])
def test_an_unknown_host_name_gets_nothing(running: Running, host: str) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as link:
        line = f"Host: {host}\r\n" if host else ""
        link.sendall(f"GET /sign-in HTTP/1.1\r\n{line}Connection: close\r\n\r\n".encode())
        answer = link.makefile("rb").read()

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"<form" not in answer


def test_no_page_can_be_framed_sniffed_cached_or_fed_with_foreign_scripts(people: dict[str | None, Person]) -> None:
    for path in ("/sign-in", "/audit", "/nowhere", "/broken", "/probe/read/get"):
        headers = people["reader"].get(path).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def test_no_template_has_a_script_or_a_style_of_its_own() -> None:
    import re

    import workers.console

    for template in (Path(workers.console.__file__).parent / "templates").rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=|javascript:|hx-on", text), template.name


def test_static_files_are_kept_by_browsers_and_nothing_else_is_reached(people: dict[str | None, Person]) -> None:
    found = people[None].get("/static/console.css")

    assert (found.status, found.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert people[None].get("/static/..%2fapp.py").status == 404
    assert people[None].get("/static/%2e%2e/app.py").status == 404


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(people: dict[str | None, Person], chunked: bool) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = b"a=" + b"x" * (MOST_BODY_BYTES + 10)
    if chunked:
        headers |= {"transfer-encoding": "chunked"}
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    assert people["operator"].ask("POST", "/probe/operate/post", body, headers).status == 413


def test_a_fault_of_a_page_tells_nothing_of_the_inside(people: dict[str | None, Person]) -> None:
    answer = people["reader"].get("/broken")

    assert answer.status == 500
    assert "canary-inside" not in answer.text
    assert "Traceback" not in answer.text
    assert people["reader"].get("/nowhere").status == 404


def test_a_refusal_to_htmx_is_words_for_the_place_it_swaps(people: dict[str | None, Person]) -> None:
    answer = people["reader"].post("/probe/admin/post", {}, hx_request="true")

    assert answer.status == 403
    assert answer.text.startswith('<p class="note bad"')


def test_a_link_from_elsewhere_is_asked_for_again_by_a_page_of_our_own(running: Running) -> None:
    nobody = running.person()
    came = nobody.get("/audit?by=ann&denied=1", sec_fetch_site="cross-site")

    assert came.status == 200
    assert '<meta http-equiv="refresh" content="0;url=/audit?by=ann&amp;denied=1">' in came.text
    assert nobody.get("/audit", hx_request="true").headers["hx-redirect"] == "/sign-in?next=/audit"


def test_the_page_asked_for_is_shown_after_the_sign_in(running: Running) -> None:
    nobody = running.person()

    asked = nobody.get("/audit?by=ann")
    assert asked.headers["location"] == "/sign-in?next=/audit%3Fby%3Dann"
    assert nobody.sign_in("reader", PASSWORD, "/audit?by=ann").headers["location"] == "/audit?by=ann"


def test_health_is_told_to_everybody(running: Running) -> None:
    assert running.person().get("/health").text == "ok\n"
