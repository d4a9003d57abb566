"""Runs the inbox for Prometheus: takes Alertmanager's webhooks, behind a bearer token, into the same book of alerts.

Source: Prometheus' documentation, Alertmanager configuration, ``webhook_config``: version 4 of the body. One thread a request,
few requests: Alertmanager groups what it sends and tries again after any answer of 5xx.
"""

import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import BaseModel, ValidationError

from config.nearest import ConfigError
from config.settings import Settings
from ledger.session import LedgerUnavailable
from telemetry.bus import emit
from telemetry.events import Name
from telemetry.masking import mask_text
from workers.notify.rules import PAGE, TICKET, Sighting

PATH = "/alerts"
MOST_BODY_BYTES = 8_388_608
"""Some ten thousand alerts. A larger one is told of here: Alertmanager gives up what is answered with 4xx."""
READ_WITHIN_S = 10
LOOK_S = 0.1
LONGEST = 300
KEPT_LABELS = (
    "flow", "family", "target", "operation", "class", "state", "owner", "channel", "reason", "stage", "domain", "queue", "vhost",
    "pool",
)  # fmt: skip
"""Labels that tell alerts apart. Others, such as which process was scraped, would make one trouble many alerts."""


@dataclass(frozen=True, slots=True)
class Told:
    """What Alertmanager tells of: what fires, and the fingerprints of what is over."""

    firing: tuple[Sighting, ...]
    over: tuple[str, ...]


class _Alert(BaseModel):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class _Body(BaseModel):
    version: str
    alerts: list[_Alert]


def read_body(raw: bytes) -> Told:
    """All alerts in a webhook's body. Raises ValueError for anything else."""
    try:
        body = _Body.model_validate(json.loads(raw))
    except (ValidationError, RecursionError):
        raise ValueError("this is no webhook of Alertmanager") from None
    firing = tuple(_sighting(alert) for alert in body.alerts if alert.status == "firing")
    over = tuple(_sighting(alert).fingerprint for alert in body.alerts if alert.status == "resolved")
    return Told(firing, over)


def open_inbox(settings: Settings, take: Callable[[Told], None]) -> "Inbox | None":
    """The inbox that the settings ask for, listening; None without one. Raises ConfigError without a token, OSError if the
    port is taken.
    """
    if settings.notify_inbox_port == 0:
        return None
    token = settings.notify_inbox_token.get_secret_value()
    if len(token) < 16:
        raise ConfigError("MILLRACE_NOTIFY_INBOX_TOKEN: set 16 characters or more, the inbox does not open without")
    return Inbox(settings.notify_inbox_host, settings.notify_inbox_port, token, take)


class Inbox:
    """Listens from its making until `close`; ``take`` is called for every webhook that is let in."""

    def __init__(self, host: str, port: int, token: str, take: Callable[[Told], None]) -> None:
        handler = type("_Bound", (_Request,), {"token": token.encode(), "take": staticmethod(take)})
        self._server = ThreadingHTTPServer((host, port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(LOOK_S,), name="alerts-inbox", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(READ_WITHIN_S)


class _Request(BaseHTTPRequestHandler):
    timeout = READ_WITHIN_S
    server_version = "millrace"
    sys_version = ""
    token: bytes
    take: Callable[[Told], None]

    def do_POST(self) -> None:
        """One webhook."""
        self.close_connection = True
        status, said = self._answer()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(f"{said}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the standard library's name
        """Requests are not logged: what they bring is kept in the book."""

    def _answer(self) -> tuple[int, str]:
        refused = self._refusal()
        if refused:
            return refused
        try:
            self.take(read_body(self.rfile.read(int(self.headers["Content-Length"]))))
        except ValueError as error:
            return 400, str(error)
        except LedgerUnavailable:
            return 503, "the ledger does not answer; send it again"
        return 200, "taken"

    def _refusal(self) -> tuple[int, str] | None:
        if self.path != PATH:
            return 404, f"alerts are taken at {PATH}"
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token):
            return 401, "a bearer token is needed"
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            said = f"a Content-Length of at most {MOST_BODY_BYTES} is needed"
            emit(Name.ALERT_LOOK_FAILED, reason="a webhook of Alertmanager is too large")
            return 413, said
        return None


def _sighting(alert: _Alert) -> Sighting:
    name = alert.labels.get("alertname", "unnamed")[:80]
    labels = {label: mask_text(alert.labels[label])[:LONGEST] for label in KEPT_LABELS if alert.labels.get(label)}
    severity = PAGE if alert.labels.get("severity") == PAGE else TICKET
    said = mask_text(alert.annotations.get("summary", name))[:LONGEST]
    runbook = mask_text(alert.annotations.get("runbook_url", "docs/alerts.md"))[:200]
    # Prometheus has waited already: what it tells of fires.
    return Sighting(name, severity, labels, said, runbook, 0)
