"""Runs the ways to people: a destination takes a notice or says why not; it is asked again later, never by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from config.nearest import ConfigError
from config.settings import Settings
from ledger.notices import Notice
from workers.notify.mail import MailDestination, server_of
from workers.notify.webhook import WebhookDestination


class Destination(Protocol):
    """Where notices go."""

    def send(self, notice: Notice) -> str:
        """Hand a notice over; empty when it was taken, else why not, without secrets or addresses."""
        ...


@dataclass(frozen=True, slots=True)
class Destinations:
    """Every destination by the name that a notice's row keeps: ``email``, ``webhook-1``."""

    by_name: Mapping[str, Destination]


def destinations_of(settings: Settings) -> Destinations:
    """The destinations that the settings name. Raises ConfigError for one that cannot be used, naming the setting."""
    found: dict[str, Destination] = {}
    recipients = _listed(settings.notify_email_to)
    if recipients:
        found["email"] = _checked("MILLRACE_NOTIFY_SMTP_URL", partial(_mail, settings, recipients))
    for number, url in enumerate(_listed(settings.notify_webhook_urls.get_secret_value()), 1):
        secret = settings.notify_webhook_secret.get_secret_value()
        named = "MILLRACE_NOTIFY_WEBHOOK_URLS, MILLRACE_NOTIFY_WEBHOOK_SECRET"
        found[f"webhook-{number}"] = _checked(named, partial(WebhookDestination, url, secret))
    return Destinations(found)


def _mail(settings: Settings, recipients: Sequence[str]) -> MailDestination:
    if not settings.notify_email_from:
        raise ValueError("MILLRACE_NOTIFY_EMAIL_FROM is needed as well")
    server = server_of(settings.notify_smtp_url.get_secret_value())
    return MailDestination(server, settings.notify_email_from, recipients, settings.environment)


def _listed(told: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in told.split(",") if part.strip())


def _checked(setting: str, make: Callable[[], Destination]) -> Destination:
    try:
        return make()
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}") from None
