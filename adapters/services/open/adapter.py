"""The port on any HTTPS endpoint: a canonical document in a request signed by Standard Webhooks, its id the effect's own.

The receiving side drops what it has seen by ``webhook-id``, as Standard Webhooks asks of every receiver. So a look-up is not
needed, and there is none: what is in doubt is sent again with the same id and the same bytes.
"""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.erps.base import Account, Erp, Need, Posting
from adapters.erps.options import read_options, text
from adapters.http.caller import Caller
from adapters.http.target import Target, is_near
from adapters.services.open.answers import outcome_of
from adapters.services.open.envelope import body_of, id_of
from adapters.wire.standard_webhooks import secret_bytes, signed_headers
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.outcome import Absent, Finding, Outcome
from config.nearest import ConfigError

_JSON = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """The open target has no options of its own."""


class OpenTarget:
    """One endpoint."""

    def __init__(self, account: Account, keys: tuple[bytes, ...]) -> None:
        """``keys``, newest first: while they rotate each request carries a signature by every one of them."""
        place = urlsplit(account.url)
        self.http = Target(account.name, f"{place.scheme}://{place.netloc}", answer_timeout_s=account.answer_timeout_s)
        self.max_execution_s = account.max_execution_s
        self._name = account.name
        self._path = place.path or "/"
        self._keys = keys

    def needs(self, document: AnyDocument) -> tuple[Need, ...]:
        """Nothing: a canonical document speaks of our own keys."""
        return ()

    def calls(self, operation: Operation) -> int:
        """One."""
        return 1

    def find(self, posting: Posting, caller: Caller) -> Finding:
        """Absent, without asking: see above why sending again is as good as looking it up."""
        return Absent()

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        """Send it, signed for this attempt."""
        told_id, body = id_of(self._name, posting), body_of(posting)
        headers = (_JSON, *signed_headers(self._keys, told_id, int(time.time()), body))
        exchange = caller.send("POST", self._path, operation=posting.operation, headers=headers, body=body)
        return outcome_of(exchange, told_id)


def build_open(account: Account) -> Erp:
    """The adapter of one endpoint; its secret is one ``whsec_<base64>``, or several with spaces between while they rotate.

    Raises ConfigError (a ValueError) for an option, a secret or a URL that cannot be used.
    """
    read_options("open", OpenOptions, account.options, {}, text)
    place = urlsplit(account.url)
    if place.scheme != "https" and not (place.scheme == "http" and is_near(place.hostname or "")):
        raise ConfigError("open: the url must begin with https://; http is for this machine's own loopback only")
    if place.username or place.password or place.query or place.fragment:
        raise ConfigError("open: the url holds no user, query or fragment")
    keys = tuple(secret_bytes(secret) for secret in account.secret.split())
    if not keys:
        raise ConfigError("open: the target has no secret: whsec_ and then base64 of 24 to 64 bytes")
    return OpenTarget(account, keys)
