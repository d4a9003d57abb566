"""Runs notices out by e-mail: one plain message for all recipients, over TLS to every server but one on this machine."""

import ipaddress
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from ledger.notices import Notice
from workers.notify.wording import headline, letter

TIMEOUT_S = 20.0
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. ``whole`` is TLS from the first byte (smtps); otherwise STARTTLS is asked for, and must be had."""

    host: str
    port: int
    whole: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def near(self) -> bool:
        """Whether it runs on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def server_of(url: str) -> Server:
    """``smtps://user:password@host`` or ``smtp://...`` (STARTTLS). Raises ValueError for another form."""
    place = urlsplit(url)
    if place.scheme not in _PORTS or not place.hostname or place.path not in ("", "/") or place.query:
        raise ValueError("write smtps://user:password@host:465 or smtp://user:password@host:587")
    user, password = unquote(place.username or ""), unquote(place.password or "")
    return Server(place.hostname, place.port or _PORTS[place.scheme], place.scheme == "smtps", user, password)


class MailDestination:
    """Sends notices to people by one mail server. ``ca_file`` replaces the system's authorities."""

    def __init__(
        self, server: Server, sender: str, recipients: Sequence[str], installation: str, *, ca_file: str | None = None
    ) -> None:
        """Raises ValueError for an address that cannot be one."""
        for address in (sender, *recipients):
            if address.count("@") != 1 or any(char.isspace() or char in '<>",;' for char in address):
                raise ValueError("an address looks like name@host")
        self._server = server
        self._sender = sender
        self._recipients = list(recipients)
        self._installation = installation
        self._tls = ssl.create_default_context(cafile=ca_file)

    def send(self, notice: Notice) -> str:
        """Hand it to the mail server; what it says when it does not take it, without the addresses."""
        try:
            with self._connected() as link:
                refused = link.send_message(self._message(notice), self._sender, self._recipients)
        except smtplib.SMTPRecipientsRefused as error:
            return f"the mail server refused all {len(error.recipients)} recipients"
        except smtplib.SMTPResponseException as error:
            return f"the mail server answered {error.smtp_code}"
        except (smtplib.SMTPException, OSError) as error:
            return f"the mail server could not be used ({type(error).__name__})"
        # Sent to some: trying again would send it to those once more.
        return "" if len(refused) < len(self._recipients) else "the mail server refused every recipient"

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.whole:
            link: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=self._tls)
        else:
            link = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        try:
            link.ehlo()
            if not server.whole and (not server.near or link.has_extn("starttls")):
                link.starttls(context=self._tls)
                link.ehlo()
            if server.user:
                link.login(server.user, server.password)
        except BaseException:
            link.close()
            raise
        return link

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = f"[millrace {self._installation}] {headline(notice.body)}"
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Date"] = format_datetime(_aware(notice.created_at))
        message["Message-ID"] = f"<{notice.key}@{self._sender.partition('@')[2]}>"
        # RFC 3834: nobody's absence note shall answer it.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter(notice.body))
        return message


def _aware(moment: datetime) -> datetime:
    return moment.astimezone()
