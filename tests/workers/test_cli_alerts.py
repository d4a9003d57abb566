"""`millrace alerts`: seen, taken, silenced, and the way to people tried."""

from pathlib import Path

import pytest

import ledger.alerts
from ledger import audit, migrate
from ledger.alerts import Alert
from ledger.audit import Wanted
from ledger.session import Ledger
from tests.documents import at
from tests.workers.command_line import Ended, millrace
from tests.workers.notify.places import mail_server, web_hook

FIRING = Alert("3f9c000000000000", "MillraceBrokerAlarm", "page", {}, "the broker takes no messages: an alarm",
               "docs/runbooks/broker-alarm.md", "own", "firing", at(0), at(60), at(60))  # fmt: skip
OVER = Alert("aaaa000000000000", "MillraceDeadLetters", "ticket", {}, "3 messages", "docs/runbooks/poison-flood.md", "own",
             "resolved", at(0), at(60), at(60), at(90))  # fmt: skip


@pytest.fixture
def opened(sqlite_url: str) -> Ledger:
    made = Ledger(sqlite_url)
    migrate.upgrade(made)
    with made.write() as session:
        ledger.alerts.put(session, [FIRING, OVER])
    return made


def run(sqlite_url: str, *words: str) -> Ended:
    return millrace("alerts", *words, LEDGER_URL=sqlite_url)


def test_what_fires_is_shown_with_its_runbook_and_what_is_over_on_demand(opened: Ledger, sqlite_url: str) -> None:
    told, every = run(sqlite_url, "list"), run(sqlite_url, "list", "--all", "--json")

    assert "MillraceBrokerAlarm" in told.out
    assert "docs/runbooks/broker-alarm.md" in told.out
    assert "MillraceDeadLetters" not in told.out
    assert [alert["name"] for alert in every.json] == ["MillraceBrokerAlarm", "MillraceDeadLetters"]


def test_an_alert_is_taken_by_name_and_reason_and_that_is_kept(opened: Ledger, sqlite_url: str) -> None:
    taken = run(sqlite_url, "ack", "3f9c", "--by", "ann", "--why", "restarting it")

    with opened.read() as session:
        (alert,) = ledger.alerts.find(session, "3f9c")
        (deed,) = audit.find(session, Wanted(action="alert.ack"), 10)
    assert taken.code == 0
    assert alert.acked_by == "ann"
    assert (deed.done.by, deed.done.reason, deed.done.subject) == ("ann", "restarting it", "alert 3f9c000000000000")


def test_an_alert_is_silent_for_a_while(opened: Ledger, sqlite_url: str) -> None:
    done = run(sqlite_url, "quiet", "3f9c", "--for", "30m", "--why", "known")

    with opened.read() as session:
        (alert,) = ledger.alerts.find(session, "3f9c")
    assert done.code == 0
    assert alert.quiet_until is not None


@pytest.mark.parametrize(("which", "code"), [("", 3), ("ffff", 3), ("aaaa", 4)])
def test_an_alert_that_is_not_there_or_over_is_not_taken(opened: Ledger, sqlite_url: str, which: str, code: int) -> None:
    assert run(sqlite_url, "ack", which).code == code


def test_a_test_notice_goes_to_every_destination_and_says_what_came_of_it(tmp_path: Path) -> None:
    with mail_server(tmp_path, tls=False) as server, web_hook() as hook:
        hook.status = 500
        done = millrace(
            "alerts", "test", "--json", NOTIFY_EMAIL_TO="ops@example.com", NOTIFY_EMAIL_FROM="millrace@example.com",
            NOTIFY_SMTP_URL=f"smtp://127.0.0.1:{server.port}", NOTIFY_WEBHOOK_URLS=hook.url,
            NOTIFY_WEBHOOK_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )  # fmt: skip

    assert done.code == 1
    assert done.json == [
        {"destination": "email", "taken": True, "said": ""},
        {"destination": "webhook-1", "taken": False, "said": "the webhook answered 500"},
    ]
    assert server.box.mails[0][1]["Subject"] == "[millrace development] TEST MillraceTest"


def test_a_test_without_a_destination_says_how_to_set_one() -> None:
    done = millrace("alerts", "test")

    assert done.code == 4
    assert "MILLRACE_NOTIFY_EMAIL_TO" in done.err
