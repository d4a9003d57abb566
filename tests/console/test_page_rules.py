"""What the pages show to whom, what they refuse, and what every deed leaves behind; asked over HTTP, without a browser."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy

from adapters.throttle.status import Sample
from ledger import controls
from ledger.actions import Actor
from ledger.business import Owned
from ledger.desk import Filter
from routing.ramp import Pace
from tasks.desk import start_job
from tests.console.a_day import a_busy_morning
from tests.console.running import Person, Running, a_console
from tests.documents import MORNING, an_order
from tests.tasks.desk import of_unknown_item, refused
from workers.console.pages import jobs as jobs_page
from workers.console.pages import overview, replays
from workers.console.pages.lane_views import spark_of


@pytest.fixture
def running(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    with a_console(sqlite_url, tmp_path) as made:
        yield made


def deed(person: Person, path: str, **form: str) -> str:
    """Post a form with a reason; the words of the page it leads to."""
    answer = person.post(path, {"csrf": person.token(), "why": "a good reason", **form})
    return person.get(answer.headers["location"]).text if answer.status == 303 else f"{answer.status} {answer.text}"


def seen_in(page: str) -> str:
    """What the plan on a page was made on."""
    found = re.search(r'name="seen" value="([^"]*)"', page)
    assert found, page
    return unescape(found[1])


def test_a_reader_sees_no_document_and_no_forms(running: Running) -> None:
    refused(running.world, "1")
    reader, operator = running.person("reader"), running.person("operator")

    for path in ("/failures/d1", "/orders/shopify/1"):
        assert "unit_price" not in reader.get(path).text
        assert "unit_price" in operator.get(path).text
    for path in ("/failures", "/failures/d1", "/lanes/orders"):
        assert 'name="why"' not in reader.get(path).text
        assert 'name="why"' in operator.get(path).text


def test_nothing_is_done_without_a_reason(running: Running) -> None:
    refused(running.world, "1")
    operator = running.person("operator")

    for path in ("/failures/d1/retry", "/failures/d1/archive", "/lanes/orders/pause", "/failures/replay"):
        answer = operator.post(path, {"csrf": operator.token(), "why": " x ", "sure": "yes", "every": "yes"})
        assert (answer.status, "Say why" in answer.text) == (422, True), path
    assert running.world.rows("select state from deliveries") == [("parked",)]
    assert running.world.rows("select count(*) from jobs") == [(0,)]


def test_notes_owners_and_archiving_are_kept_with_who_did_it(running: Running) -> None:
    refused(running.world, "1")
    operator = running.person("operator")

    assert "The note is kept" in deed(operator, "/failures/d1/note")
    assert "sales" in deed(operator, "/failures/d1/assign", owner="sales", due="4h")
    assert "Restore" in deed(operator, "/failures/d1/archive")
    assert "Nothing is parked here" in operator.get("/failures").text
    assert "d1" in operator.get("/failures?archived=yes").text
    assert "back on the lists" in deed(operator, "/failures/d1/restore")
    done = [one.done for one in running.deeds(subject="d1")]
    assert [(one.action, one.by, one.role) for one in done] == [
        (verb, "operator", "operator") for verb in ("restore", "archive", "assign", "note")
    ]


def test_giving_up_and_redirecting_ask_first(running: Running) -> None:
    refused(running.world, "1", "2")
    operator, admin = running.person("operator"), running.person("admin")

    assert "needs the permission to admin" in deed(operator, "/failures/d1/drop", sure="yes")
    assert "Give it up for good" in deed(admin, "/failures/d1/drop")
    assert "no target" in deed(operator, "/failures/d2/redirect", target="nowhere")
    assert running.world.rows("select distinct state from deliveries") == [("parked",)]
    assert "d1 is given up" in deed(admin, "/failures/d1/drop", sure="yes")
    assert "not on the desk any more" in deed(admin, "/failures/d1/drop", sure="yes")


def test_what_another_was_quicker_with_is_told_in_words(running: Running) -> None:
    refused(running.world, "1")
    operator = running.person("operator")

    assert "given back to work" in deed(operator, "/failures/d1/retry")
    assert "It stays where it is: it is not parked" in deed(operator, "/failures/d1/retry")
    assert "not paused" in deed(operator, "/lanes/orders/resume", sure="yes")
    assert "no job 9" in operator.get("/jobs/9").text
    assert "no lane nowhere" in operator.get("/lanes/nowhere").text


def test_a_change_of_many_shows_what_is_changed_and_refuses_what_cannot_be_read(running: Running) -> None:
    of_unknown_item(running.world, "1", "2", sku="OLD")
    operator = running.person("operator")

    assert "is no change" in deed(operator, "/failures/replay", every="yes", patch="nonsense")
    assert "nothing is chosen" in deed(operator, "/failures/replay", what="picked")
    shown = deed(operator, "/failures/replay", code="crossref.missing", patch="lines[sku=OLD].sku=SKU-0001")
    assert "Change and replay 2 rows" in shown
    assert "lines[sku=OLD].sku=SKU-0001" in shown
    job = deed(operator, "/failures/replay", code="crossref.missing", patch="lines[sku=OLD].sku=SKU-0001", sure="yes")
    assert "0 of 2" in job
    assert "Stop it" in deed(operator, "/jobs/1/steer", verb="stop")
    assert "The job is stopped" in deed(operator, "/jobs/1/steer", verb="stop", sure="yes")


def test_many_rows_take_an_approver(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MANY", 2)
    refused(running.world, "1", "2")

    assert "403" in deed(running.person("operator"), "/failures/replay", every="yes", sure="yes")[:3]
    assert "0 of 2" in deed(running.person("approver"), "/failures/replay", every="yes", sure="yes")


def test_weights_are_compared_before_they_are_in_force(running: Running) -> None:
    operator = running.person("operator")
    wanted = {"high": "32", "normal": "4", "low": "1"}

    asked = deed(operator, "/lanes/orders/weights", **wanted)
    assert ">16<" in asked
    assert ">32<" in asked
    assert "whole numbers" in deed(operator, "/lanes/orders/weights", **wanted | {"low": "0"})
    assert "in force" in deed(operator, "/lanes/orders/weights", **wanted, seen=seen_in(asked), sure="yes")
    assert "Nothing would change" in deed(operator, "/lanes/orders/weights", **wanted)


def test_of_two_operators_at_once_the_second_sees_what_the_first_did(running: Running) -> None:
    first, second = running.person("operator"), running.person("approver")
    mine, theirs = {"high": "32", "normal": "4", "low": "1"}, {"high": "8", "normal": "8", "low": "8"}
    asked, asked_too = deed(first, "/lanes/orders/weights", **mine), deed(second, "/lanes/orders/weights", **theirs)

    assert "in force" in deed(first, "/lanes/orders/weights", **mine, seen=seen_in(asked), sure="yes")
    late = deed(second, "/lanes/orders/weights", **theirs, seen=seen_in(asked_too), sure="yes")
    unseen = deed(second, "/lanes/orders/weights", **theirs, sure="yes")
    deed(first, "/lanes/orders/pause", sure="yes", why="the codes are wrong")
    paused_too = deed(second, "/lanes/orders/pause", sure="yes", why="lunch")

    assert [late[:3], unseen[:3], paused_too[:3]] == ["409"] * 3
    assert "changed since you looked" in late
    assert "by operator: the codes are wrong" in paused_too
    with running.world.ledger.read() as session:
        kept = controls.read_all(session)
    assert (kept["weights.orders"]["high"], kept["paused.orders"]["reason"]) == (32, "the codes are wrong")


def test_a_search_goes_straight_to_the_order_or_says_what_can_be_searched(running: Running) -> None:
    world = running.world
    world.prepare(*world.tell(an_order("450789", number="#1001"), key="evt-77"))
    world.work()
    reader = running.person("reader")
    remote = world.rows("select remote_id from deliveries")[0][0]

    for word in ("1001", "450789", "evt-77", str(remote), "d1", "e1"):
        assert reader.get(f"/search?q={word}").headers["location"] == "/orders/shopify/450789", word
    assert "Nothing has this id" in reader.get("/search?q=nix").text
    assert "Type an id" in reader.get("/search").text
    assert "No channel shopify told of an order nix" in reader.get("/orders/shopify/nix").text


def test_what_outsiders_wrote_is_shown_and_never_run(running: Running) -> None:
    of_unknown_item(running.world, "<script>x</script>", sku="<img src=x>")
    operator = running.person("operator")

    for path in ("/failures", "/failures/d1", "/failures/d1/edit", "/search?q=d1", "/failures/retrying"):
        text = operator.get(path).text
        assert "<script>x" not in text, path
        assert "<img src=x" not in text, path
    assert "&lt;img src=x&gt;" in operator.get("/failures/d1").text


def test_figures_of_a_busy_morning_do_not_move_without_a_cause(running: Running) -> None:
    a_busy_morning(running.world)
    reader = running.person("reader")

    first, second = reader.get("/").text, reader.get("/").text
    assert first.partition("<main")[2].replace(reader.token(), "") == second.partition("<main")[2].replace(reader.token(), "")


def test_a_profile_is_seen_before_put_in_force_by_an_approver_and_taken_back(running: Running) -> None:
    operator, approver = running.person("operator"), running.person("approver")

    assert "weight high" in operator.get("/peaks/black-friday").text
    assert 'name="why"' not in operator.get("/peaks/black-friday").text
    assert "needs the permission to approve" in deed(operator, "/peaks/black-friday/apply", sure="yes")
    asked = deed(approver, "/peaks/black-friday/apply", **{"for": "4h"})
    assert "after 4 h" in asked
    assert running.deeds(action="peak.*") == [], "a look changes nothing"
    seen = {"for": "4h", "seen": "0", "sure": "yes"}
    assert "black-friday is in force" in deed(approver, "/peaks/black-friday/apply", **seen)
    assert "Nothing was changed" in deed(approver, "/peaks/flash-sale/apply", **seen)
    shown = operator.get("/peaks").text
    assert "the fleet file alone" in shown
    assert "oldest_age_s deliver.sandbox high above 900" in shown
    change = running.world.rows("select max(id) from peak_changes")[0][0]
    assert "Take it back" in deed(approver, "/peaks/revert")
    assert "is taken back" in deed(approver, "/peaks/revert", sure="yes", seen=str(change))
    assert "No profile is in force" in deed(approver, "/peaks/revert", sure="yes")
    done = [one.done for one in running.deeds(action="peak.*")]
    assert [(one.action, one.by, one.reason) for one in done] == [
        (f"peak.{word}", "approver", "a good reason") for word in ("revert", "apply")
    ]


def test_a_profile_is_scheduled_in_its_own_zone_by_an_approver_seen_and_cancelled(running: Running) -> None:
    operator, approver = running.person("operator"), running.person("approver")
    form = {"start": "2099-11-27T00:00", "zone": "Europe/Berlin", "for": "4h"}

    assert "needs the permission to approve" in deed(operator, "/peaks/black-friday/schedule", **form, sure="yes")
    asked = deed(approver, "/peaks/black-friday/schedule", **form)
    assert "2099-11-26 23:00 UTC" in asked
    assert "2099-11-27 03:00 UTC" in asked
    assert running.deeds(action="peak.*") == [], "a look changes nothing"
    shown = deed(approver, "/peaks/black-friday/schedule", **form, sure="yes")
    assert "What is to come" in shown
    assert "Europe/Berlin" in operator.get("/peaks").text
    assert 'action="/peaks/schedule/1/cancel"' not in operator.get("/peaks").text
    assert "Because" in deed(approver, "/peaks/schedule/1/cancel")
    assert "does not come into force" in deed(approver, "/peaks/schedule/1/cancel", sure="yes")
    assert "not to come any more" in deed(approver, "/peaks/schedule/1/cancel", sure="yes")
    done = [one.done for one in running.deeds(action="peak.*")]
    assert [(one.action, one.by) for one in done] == [("peak.cancel", "approver"), ("peak.plan", "approver")]


@pytest.mark.parametrize(
    ("start", "zone", "says"),
    [
        ("2001-01-01T00:00", "UTC", "its start is past"),
        ("tomorrow", "UTC", "is no moment"),
        ("0001-01-01T00:00", "Asia/Tokyo", "is no moment"),
        ("2099-01-01T00:00", "Mars/Base", "there is no time zone"),
        ("2099-01-01T00:00", "../etc/passwd", "there is no time zone"),
    ],
)
def test_a_start_that_cannot_be_is_told_why(running: Running, start: str, zone: str, says: str) -> None:
    told = deed(running.person("approver"), "/peaks/quiet/schedule", start=start, zone=zone, sure="yes")

    assert told.startswith("422")
    assert says in unescape(told)
    assert running.deeds(action="peak.*") == []


def test_the_list_of_jobs_asks_the_ledger_no_more_often_the_more_jobs_there_are(running: Running) -> None:
    world, asked = running.world, list[str]()
    refused(world, "1", "2")
    engine = running.console.desk.context.ledger.engine
    sqlalchemy.event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    def asked_for(jobs: int) -> int:
        for _ in range(jobs):
            start_job(world.context, Filter(cls="rejected"), [], Pace((1,), 5.0, 0.2, 900.0), Actor("anna", "a test"))
        asked.clear()
        assert "0 of 2" in jobs_page.live(running.console.desk)
        return len(asked)

    assert asked_for(1) == asked_for(20)


def test_an_alarm_leads_to_its_owners_cases_whatever_the_owner_is_called() -> None:
    owned = Owned("R&D, night=shift", 3, 2, more=False, oldest_at=MORNING)

    [alarm] = overview._desk_alarms([owned], [])

    assert parse_qs(urlsplit(alarm.link).query) == {"owner": ["R&D, night=shift"], "overdue": ["yes"]}


def test_a_minute_of_traffic_is_drawn_inside_its_field() -> None:
    samples = [Sample(1_000.0 + n, 50.0 if n % 2 else None, n, n, 0) for n in range(60)]

    drawn = spark_of(samples)
    assert drawn is not None
    points = [tuple(map(float, point.split(","))) for line in (drawn.calls, drawn.working) for point in line.split()]
    assert all(0 <= x <= 240 and 0 <= y <= 40 for x, y in points)
    assert drawn.most == 59.0
    assert len(drawn.working.split()) == 30
    assert spark_of(samples[:1]) is None
