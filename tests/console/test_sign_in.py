"""Sign-in and sessions: cookies, ends, guesses, users that change; nothing tells which names are there."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.running import PASSWORD, Running, a_console
from workers.console.page import Page
from workers.console.pages import PAGES
from workers.console.roles import Role
from workers.console.sessions import MOST_EACH
from workers.console.sign_in import safe_next
from workers.console.users import Entry, hashed, read_users, write_users

SESSION_S, IDLE_S = 3_600, 600


@pytest.fixture
def running(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    with a_console(
        sqlite_url, tmp_path, console_session_s=SESSION_S, console_idle_s=IDLE_S, console_hosts="console.example.com"
    ) as made:
        yield made


def test_a_session_ends_when_nothing_is_done_and_after_its_time_whatever_is_done(running: Running) -> None:
    clock = running.world.clock
    idle, busy = running.person("reader"), running.person("operator")

    for _ in range(5):
        clock.move(IDLE_S - 1)
        assert busy.get("/you").status == 200
    assert idle.get("/you").status == 303
    clock.move(IDLE_S - 1)
    assert busy.get("/you").status == 200
    clock.move(SESSION_S - 6 * (IDLE_S - 1))
    assert busy.get("/you").status == 303


@pytest.mark.parametrize("page", [page for page in PAGES if "/now" in page.path], ids=lambda page: page.name)
def test_a_page_that_stands_open_and_asks_by_itself_keeps_nobody_signed_in(running: Running, page: Page) -> None:
    left = running.person("reader")
    path = page.path.replace("{lane}", "orders").replace("{job_id:int}", "1").replace("{source}/{order_key:path}", "shopify/1")

    for _ in range(4):
        running.world.clock.move(IDLE_S / 3)
        answer = left.get(path, hx_request="true")

    assert (answer.status, answer.headers["hx-redirect"].startswith("/sign-in")) == (401, True)


def test_signing_out_ends_the_session_also_for_who_kept_the_cookie(running: Running) -> None:
    person = running.person("reader")
    kept = dict(person.cookies)

    left = person.post("/sign-out", {"csrf": person.token()})
    assert (left.status, left.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in left.cookies[0]
    person.cookies = kept
    assert person.get("/you").status == 303


def test_a_cookie_that_was_changed_or_made_up_is_nobodys(running: Running) -> None:
    person = running.person("reader")
    name, _, signature = person.cookies["millrace"].rpartition(".")

    for forged in (f"{name[:-1]}x.{signature}", name, f"{name}.", f"{name}.{signature[:-2]}xx", "x", "é"):
        stranger = running.person()
        stranger.cookies["millrace"] = forged.encode().decode("latin-1")
        assert stranger.get("/you").status == 303, forged


def test_cookies_are_out_of_scripts_reach_and_go_nowhere_else(running: Running) -> None:
    here, there = running.person(), running.person()
    told = here.sign_in("reader").cookies[0]
    form = there.get("/sign-in", host="console.example.com")
    csrf = {"name": "reader", "password": PASSWORD, "next": "/", "csrf": form.token}
    public = there.post("/sign-in", csrf, host="console.example.com", origin="https://console.example.com")

    assert told.startswith("millrace=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(told.split("; "))
    assert public.status == 303
    assert public.cookies[0].startswith("__Host-millrace=")
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Secure"} <= set(public.cookies[0].split("; "))
    assert public.headers["strict-transport-security"] == "max-age=31536000"


def test_a_sign_in_gives_a_new_session_and_ends_the_one_before(running: Running) -> None:
    person = running.person("reader")
    before = dict(person.cookies)

    assert person.post("/sign-in", {"name": "operator", "password": PASSWORD, "csrf": _form(running, person)}).status == 303
    assert person.cookies["millrace"] != before["millrace"]
    person.cookies = before
    assert person.get("/you").status == 303


def _form(running: Running, person: object) -> str:
    fresh = running.person()
    token = fresh.get("/sign-in").token
    person.cookies["millrace-form"] = fresh.cookies["millrace-form"]  # type: ignore[attr-defined]  # a Person
    return token


@pytest.mark.parametrize(("name", "password"), [("reader", "wrong password"), ("nobody", PASSWORD), ("", ""), ("é" * 300, "x")])
def test_a_wrong_name_and_a_wrong_password_get_the_same_words(running: Running, name: str, password: str) -> None:
    answer = running.person().sign_in(name, password)

    assert answer.status == 401
    assert "Name or password is wrong." in answer.text
    (deed,) = running.deeds(action="console.sign_in")
    assert (deed.done.by, deed.done.allowed) == ("reader" if name == "reader" else "unknown", False)
    assert deed.done.after == {}


def test_a_name_that_is_not_there_takes_as_long_as_one_that_is(running: Running) -> None:
    def took(name: str) -> float:
        began = time.perf_counter()
        assert running.person().sign_in(name, "wrong password").status == 401
        return time.perf_counter() - began

    there, nowhere = (statistics.median(took(name) for _ in range(3)) for name in ("reader", "nobody"))

    # Without the hash an answer takes a hundredth of the time: no noise of a busy machine hides that.
    assert nowhere > there / 4


def test_guessing_is_stopped_after_five_tries_a_name_until_a_minute_has_passed(running: Running) -> None:
    for _ in range(5):
        assert running.person().sign_in("reader", "wrong password").status == 401
    refused = running.person().sign_in("reader")
    other = running.person().sign_in("operator")
    running.world.clock.move(61)

    assert refused.status == 429
    assert int(refused.headers["retry-after"]) > 0
    assert other.status == 303
    assert running.person().sign_in("reader").status == 303


def test_a_browser_that_signed_in_before_is_not_kept_out_by_the_guesses_of_others(running: Running) -> None:
    known, stranger = running.person("reader"), running.person("operator")
    known.post("/sign-out", {"csrf": known.token()})
    for number in range(20):
        running.person().sign_in("reader" if number < 5 else f"name{number}", "wrong password")

    refused = running.person().sign_in("reader")
    stranger.post("/sign-out", {"csrf": stranger.token()})
    another_name = stranger.sign_in("reader")
    let_in = known.sign_in("reader")

    assert (refused.status, another_name.status, let_in.status) == (429, 429, 303)
    assert "Max-Age=7776000" in let_in.cookies[1]


def test_a_known_browser_has_five_tries_and_a_made_up_one_none(running: Running) -> None:
    known, forged = running.person("reader"), running.person()
    known.post("/sign-out", {"csrf": known.token()})
    for _ in range(5):
        assert known.sign_in("reader", "wrong password").status == 401
        assert running.person().sign_in("reader", "wrong password").status == 401
    mark = known.cookies["millrace-browser"].partition(".")[0]
    forged.cookies["millrace-browser"] = f"{mark}.{'0' * 64}"

    assert known.sign_in("reader").status == 429
    assert forged.sign_in("reader").status == 429


def test_one_address_cannot_try_many_names(running: Running) -> None:
    codes = [running.person().sign_in(f"name{number}", "wrong password").status for number in range(21)]

    assert codes == [401] * 20 + [429]


def test_a_whole_shift_signs_in_from_one_address(running: Running) -> None:
    codes = [running.person().sign_in(name).status for name in ("reader", "operator") for _ in range(11)]

    assert codes == [303] * 22
    assert running.person().sign_in("name", "wrong password").status == 401


def test_a_sign_in_that_another_site_sent_or_that_has_no_form_is_refused(running: Running) -> None:
    person = running.person()
    token = person.get("/sign-in").token
    form = {"name": "reader", "password": PASSWORD, "csrf": token}

    assert person.post("/sign-in", form, origin="https://elsewhere.example").status == 403
    assert person.post("/sign-in", form | {"csrf": "0" * 64}).status == 403
    assert running.person().post("/sign-in", form).status == 403


def test_a_user_that_is_removed_or_given_another_role_is_signed_out_at_once(running: Running) -> None:
    person, other = running.person("operator"), running.person("reader")
    users = read_users(running.users_file)

    write_users(running.users_file, [one for one in users.values() if one.name != "operator"])
    assert person.get("/you").status == 303
    write_users(running.users_file, [Entry("reader", Role.ADMIN, users["reader"].hash)])
    assert other.get("/you").status == 303
    assert running.person("reader").get("/you").text.count("admin (you)") == 1


def test_nobody_is_let_in_while_the_file_of_users_cannot_be_read(running: Running) -> None:
    person = running.person("operator")
    running.users_file.write_text("nonsense")

    assert person.get("/you").status == 303
    assert person.sign_in("operator").status == 401


def test_one_person_has_so_many_sessions_and_the_oldest_makes_room(running: Running) -> None:
    people = []
    for _ in range(MOST_EACH + 1):
        people.append(running.person("reader"))
        running.world.clock.move(1)

    assert [one.get("/you").status for one in people] == [303] + [200] * MOST_EACH


@pytest.mark.parametrize(
    ("told", "goes"),
    [
        ("/orders/7?x=1&y=2", "/orders/7?x=1&y=2"),
        (None, "/"),
        ("", "/"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_a_sign_in_leads_to_a_page_of_the_console_only(told: str | None, goes: str) -> None:
    assert safe_next(told) == goes


def test_a_file_of_users_with_a_hash_that_is_weak_or_takes_for_ever_is_refused(tmp_path: Path) -> None:
    from config.nearest import ConfigError

    good = hashed(PASSWORD)
    for wrong in (good.replace("$15$", "$4$"), good.replace("$15$", "$30$"), "plain", "", good[:-4]):
        (tmp_path / "users").write_text(f"ann:operator:{wrong}\n")
        with pytest.raises(ConfigError, match="line 1"):
            read_users(tmp_path / "users")
