"""Real places that notices go to, for tests: a mail server with TLS and a web server that keeps what it was posted."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

from ledger.notices import Notice
from tests.documents import at
from workers.local.service import free_port

LOGIN = ("alerts", "canary-mail-password")


@dataclass
class Mailbox:
    """What a mail server took. ``refuse``: what it answers to a message instead; ``refused``: recipients it does not know."""

    mails: list[tuple[Envelope, Message]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refuse: str = ""
    refused: tuple[str, ...] = ()

    async def handle_RCPT(self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return "550 no such box"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        self.encrypted.append(session.ssl is not None)
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append((envelope, message_from_bytes(content, policy=default)))
        return "250 taken"


@dataclass(frozen=True)
class MailServer:
    box: Mailbox
    port: int
    ca_file: str


@contextmanager
def mail_server(folder: Path, *, tls: bool = True) -> Iterator[MailServer]:
    """A mail server on the loopback that wants STARTTLS and a login; without ``tls`` it offers neither."""
    key, certificate = _certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    box = Mailbox()
    secured: dict[str, Any] = {
        "tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": _authenticate,
    }  # fmt: skip
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, **(secured if tls else {}))
    controller.start()
    try:
        yield MailServer(box, port, certificate)
    finally:
        controller.stop()


@dataclass
class Hook:
    """What was posted, and what is answered."""

    url: str = ""
    posts: list[tuple[str, list[tuple[str, str]], bytes]] = field(default_factory=list)
    status: int = 204


@contextmanager
def web_hook() -> Iterator[Hook]:
    """A web server on the loopback."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append((self.path, [(name.lower(), value) for name, value in self.headers.items()], body))
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_address[1]}/hook?team=shop"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def a_notice(**more: Any) -> Notice:
    """A notice of one alert that fires."""
    alert = {"id": "0123456789abcdef", "labels": {"family": "orders"}, "summary": "orders: the oldest has waited 400 s"}
    data = {
        "installation": "test", "name": "MillraceUrgentBacklogOld", "severity": "page", "count": 1,
        "runbook": "docs/runbooks/queue-backlog.md", "alerts": [alert | {"since": at(0).isoformat()}],
    }  # fmt: skip
    body = {"type": "alert.firing", "timestamp": at(0).isoformat(), "data": data}
    return replace(Notice(1, "d", "k" * 32, body, 1, at(0)), **more)


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, told: Any) -> AuthResult:
    return AuthResult(success=(told.login.decode(), told.password.decode()) == LOGIN)


def _certificate(folder: Path) -> tuple[str, str]:
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(argv, check=True, capture_output=True)
    return key, certificate
