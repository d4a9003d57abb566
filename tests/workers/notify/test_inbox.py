"""The inbox for Alertmanager: a token or nothing, its webhooks and nothing else, and no label that could be personal."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from config.nearest import ConfigError
from config.settings import load_settings
from telemetry import bus
from telemetry.events import Name
from workers.notify.inbox import MOST_BODY_BYTES, PATH, Inbox, Told, open_inbox, read_body

TOKEN = "canary-inbox-token"


def webhook(status: str = "firing", **labels: str) -> bytes:
    """The body of version 4 as Prometheus' documentation shows it."""
    alert = {
        "status": status,
        "labels": {"alertname": "MillraceBrokerAlarm", "severity": "page", **labels},
        "annotations": {"summary": "the broker is in alarm", "runbook_url": "docs/runbooks/broker-alarm.md"},
        "startsAt": "2026-11-27T08:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c0ffee",
    }
    told = {"version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": status, "receiver": "millrace", "alerts": [alert]}
    return json.dumps(
        told | {"groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am"}
    ).encode()


class Listening:
    def __init__(self) -> None:
        self.taken: list[Told] = []
        self.away = False
        self.inbox = Inbox("127.0.0.1", 0, TOKEN, self._take)

    def _take(self, told: Told) -> None:
        if self.away:
            raise OperationalError("select", {}, Exception("away"))
        self.taken.append(told)

    def post(self, body: bytes, *, token: str | None = TOKEN, path: str = PATH, method: str = "POST", **headers: Any) -> int:
        link = http.client.HTTPConnection("127.0.0.1", self.inbox.port, timeout=10)
        try:
            given = {} if token is None else {"Authorization": f"Bearer {token}"}
            link.request(method, path, body, given | headers)
            return link.getresponse().status
        finally:
            link.close()


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.inbox.close()


def test_alertmanagers_webhook_is_taken_with_name_severity_and_runbook(listening: Listening) -> None:
    status = listening.post(webhook(queue="orders.high", instance="10.0.0.1:9100", customer="canary@example.com"))

    (told,) = listening.taken
    assert status == 200
    assert (told.firing[0].name, told.firing[0].severity, told.firing[0].for_s) == ("MillraceBrokerAlarm", "page", 0)
    assert dict(told.firing[0].labels) == {"queue": "orders.high"}
    assert told.firing[0].runbook == "docs/runbooks/broker-alarm.md"


def test_an_end_names_the_alert_that_was_told_to_fire(listening: Listening) -> None:
    listening.post(webhook(queue="q", instance="one"))
    listening.post(webhook("resolved", queue="q", instance="two"))

    fired, over = listening.taken
    assert over.over == (fired.firing[0].fingerprint,)


def test_every_alert_of_a_large_webhook_is_taken(listening: Listening) -> None:
    raw = json.loads(webhook())
    (one,) = raw["alerts"]
    raw["alerts"] = [
        one | {"status": status, "labels": one["labels"] | {"queue": f"q{n}"}}
        for n in range(1_000) for status in ("firing", "resolved")
    ]  # fmt: skip

    status = listening.post(json.dumps(raw).encode())

    (told,) = listening.taken
    assert status == 200
    assert (len(told.firing), len(set(told.over))) == (1_000, 1_000)


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], f"{TOKEN}x", "münchen"])
def test_nobody_is_let_in_without_the_token(listening: Listening, token: str | None) -> None:
    given = token.encode() if token else None
    link = http.client.HTTPConnection("127.0.0.1", listening.inbox.port, timeout=10)
    link.putrequest("POST", PATH)
    link.putheader("Content-Length", "2")
    if given:
        link.putheader("Authorization", b"Bearer " + given)
    link.endheaders(b"{}")
    status = link.getresponse().status
    link.close()

    assert status == 401
    assert listening.taken == []


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"[" * 100_000, b'{"version": "4"}', b"\xff", b'{"version": "4", "alerts": [{"status": 1}]}']
)
def test_anything_but_a_webhook_of_alertmanager_is_refused(listening: Listening, body: bytes) -> None:
    assert listening.post(body) == 400
    assert listening.taken == []


def test_other_paths_methods_and_sizes_are_refused(listening: Listening) -> None:
    events: list[bus.Event] = []
    bus.attach("inbox-test", events.append)

    told = [
        listening.post(webhook(), path="/"),
        listening.post(webhook(), method="GET"),
        listening.post(webhook(), **{"Content-Length": str(MOST_BODY_BYTES + 1)}),
    ]

    bus.detach("inbox-test")
    assert told == [404, 501, 413]
    assert [event.name for event in events] == [Name.ALERT_LOOK_FAILED]


def test_a_ledger_that_is_away_is_answered_so_that_alertmanager_tries_again(listening: Listening) -> None:
    listening.away = True

    assert listening.post(webhook()) == 503


def test_what_looks_personal_is_masked() -> None:
    raw = json.loads(webhook(queue="ann@example.com"))
    raw["alerts"][0]["annotations"]["summary"] = "ask ann@example.com"

    told = read_body(json.dumps(raw).encode())

    assert "example.com" not in f"{told}"


def test_the_inbox_stays_closed_by_default_and_does_not_open_without_a_token() -> None:
    assert open_inbox(load_settings({}), print) is None
    with pytest.raises(ConfigError, match="MILLRACE_NOTIFY_INBOX_TOKEN"):
        open_inbox(load_settings({"MILLRACE_NOTIFY_INBOX_PORT": "9099", "MILLRACE_NOTIFY_INBOX_TOKEN": "short"}), print)
