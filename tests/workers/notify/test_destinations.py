"""Destinations: mail over TLS to a real mail server, webhooks that the open channel's own check lets in."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.channels.base import Inbound
from adapters.channels.open.channel import OpenChannel
from adapters.wire.standard_webhooks import secret_bytes
from config.nearest import ConfigError
from config.settings import load_settings
from tests.workers.notify.places import LOGIN, Hook, MailServer, a_notice, mail_server, web_hook
from workers.notify import mail
from workers.notify.destinations import destinations_of
from workers.notify.mail import MailDestination, Server, server_of
from workers.notify.webhook import WebhookDestination

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TO = ("ops@example.com", "lead@example.com")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path) as running:
        yield running


@pytest.fixture
def hook() -> Iterator[Hook]:
    with web_hook() as running:
        yield running


def to(server: MailServer, password: str = LOGIN[1], *, ca_file: str | None = None) -> MailDestination:
    place = server_of(f"smtp://{LOGIN[0]}:{password}@127.0.0.1:{server.port}")
    return MailDestination(place, "millrace@example.com", TO, "production", ca_file=ca_file or server.ca_file)


def test_a_notice_is_mailed_over_tls_to_everybody_with_what_to_do(server: MailServer) -> None:
    said = to(server).send(a_notice())

    ((envelope, letter),) = server.box.mails
    text = str(letter.get_payload(decode=True).decode())  # type: ignore[union-attr]  # one plain part
    assert said == ""
    assert server.box.encrypted == [True]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("millrace@example.com", list(TO))
    assert letter["Subject"] == "[millrace production] FIRING MillraceUrgentBacklogOld: orders"
    assert letter["Message-ID"] == f"<{'k' * 32}@example.com>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "orders: the oldest has waited 400 s" in text
    assert "docs/runbooks/queue-backlog.md" in text
    assert "millrace alerts ack 0123456789abcdef" in text


def test_a_label_of_several_lines_leaves_the_subject_one_line(server: MailServer) -> None:
    told = a_notice()
    told.body["data"]["alerts"][0]["labels"]["family"] = "orders\r\nBcc: somebody@example.com"  # type: ignore[index]  # plain data

    said = to(server).send(told)

    ((envelope, letter),) = server.box.mails
    assert said == ""
    assert str(letter["Subject"]).endswith(": orders Bcc: somebody@example.com")
    assert letter["Bcc"] is None
    assert envelope.rcpt_tos == list(TO)


@pytest.mark.parametrize("trouble", ["login", "certificate", "plain", "nobody", "message"])
def test_what_a_mail_server_does_not_take_is_told_without_secrets_or_addresses(
    server: MailServer, tmp_path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 2)
    if trouble == "login":
        said = to(server, "canary-wrong").send(a_notice())
    elif trouble == "certificate":
        said = to(server, ca_file="/etc/ssl/certs/ca-certificates.crt").send(a_notice())
    elif trouble == "nobody":
        server.box.refused = TO
        said = to(server).send(a_notice())
    elif trouble == "message":
        server.box.refuse = "451 try later canary"
        said = to(server).send(a_notice())
    else:
        far = Server("mail.invalid", 1, whole=False, user="alerts", password="canary")
        said = MailDestination(far, "millrace@example.com", TO, "production").send(a_notice())

    assert said.startswith("the mail server ")
    assert not [word for word in ("canary", "example.com", "alerts") if word in said]
    assert server.box.mails == []


def test_some_refused_recipients_do_not_make_the_others_hear_it_twice(server: MailServer) -> None:
    server.box.refused = TO[:1]

    assert to(server).send(a_notice()) == ""
    assert server.box.mails[0][0].rcpt_tos == [TO[1]]


def test_a_far_server_without_tls_gets_neither_login_nor_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(tmp_path, tls=False) as server:
        near = to(server)
        monkeypatch.setattr(Server, "near", property(lambda _: False))

        said = near.send(a_notice())

    assert said == "the mail server could not be used (SMTPNotSupportedError)"
    assert server.box.mails == []


def test_a_webhook_passes_the_check_of_a_receiver_of_standard_webhooks(hook: Hook) -> None:
    destination = WebhookDestination(hook.url, SECRET)

    said = [destination.send(a_notice()), destination.send(a_notice(attempts=2))]

    (path, headers, body), (_, again, _) = hook.posts
    inbound = Inbound("alerts", headers, body, datetime.now(UTC))
    changed = Inbound("alerts", headers, body + b" ", datetime.now(UTC))
    assert said == ["", ""]
    assert path == "/hook?team=shop"
    assert OpenChannel().verify(inbound, [SECRET.encode()], datetime.now(UTC)) is None
    assert OpenChannel().verify(changed, [SECRET.encode()], datetime.now(UTC)) is not None
    assert dict(headers)["webhook-id"] == dict(again)["webhook-id"] == "k" * 32
    assert json.loads(body)["data"]["name"] == "MillraceUrgentBacklogOld"


@pytest.mark.parametrize("status", [301, 400, 410, 500])
def test_only_an_answer_of_success_takes_a_webhook(hook: Hook, status: int) -> None:
    hook.status = status

    assert WebhookDestination(hook.url, SECRET).send(a_notice()) == f"the webhook answered {status}"


def test_a_webhook_that_is_not_there_is_told() -> None:
    assert WebhookDestination("http://127.0.0.1:1/hook", SECRET).send(a_notice()) == "the webhook is out of reach"


@pytest.mark.parametrize(
    "secret", ["", "canary", "whsec_", "whsec_canary!", "whsec_Y2FuYXJ5", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_a_secret_of_another_form_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ValueError, match="looks like whsec_") as error:
        secret_bytes(secret)

    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"NOTIFY_EMAIL_TO": "ops@example.com", "NOTIFY_SMTP_URL": "smtp://localhost"}, "NOTIFY_EMAIL_FROM"),
        ({"NOTIFY_EMAIL_TO": "ops@example.com", "NOTIFY_EMAIL_FROM": "m@example.com"}, "NOTIFY_SMTP_URL"),
        ({"NOTIFY_EMAIL_TO": "no address", "NOTIFY_EMAIL_FROM": "m@example.com", "NOTIFY_SMTP_URL": "smtp://h"}, "address"),
        ({"NOTIFY_WEBHOOK_URLS": "http://far.example/canary", "NOTIFY_WEBHOOK_SECRET": SECRET}, "NOTIFY_WEBHOOK_URLS"),
        ({"NOTIFY_WEBHOOK_URLS": "https://far.example/canary"}, "NOTIFY_WEBHOOK_SECRET"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named_and_not_shown(told: dict[str, str], named: str) -> None:
    settings = load_settings({f"MILLRACE_{name}": value for name, value in told.items()})

    with pytest.raises(ConfigError, match=named) as error:
        destinations_of(settings)

    assert "canary" not in str(error.value)


def test_every_destination_has_a_name_of_its_own() -> None:
    told = {
        "NOTIFY_EMAIL_TO": "ops@example.com, lead@example.com", "NOTIFY_EMAIL_FROM": "m@example.com",
        "NOTIFY_SMTP_URL": "smtps://mail.example", "NOTIFY_WEBHOOK_URLS": "https://one.example/a,https://two.example/b",
        "NOTIFY_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip

    found = destinations_of(load_settings({f"MILLRACE_{name}": value for name, value in told.items()}))

    assert list(found.by_name) == ["email", "webhook-1", "webhook-2"]
