"""Runs notices out as webhooks signed by Standard Webhooks: the receiver can prove who told it, and tell a repeat by its id."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from adapters.http.answers import Answer, NotSent
from adapters.http.client import Client
from adapters.http.target import Target, is_near
from adapters.wire.standard_webhooks import secret_bytes, signed_headers
from ledger.notices import Notice

ANSWER_WITHIN_S = 15.0
MOST_ANSWER_BYTES = 65_536
_JSON = ("content-type", "application/json")


class WebhookDestination:
    """Posts notices to one URL; only an answer of 2xx takes one, a redirect does not."""

    def __init__(self, url: str, secret: str, *, ca_file: str | None = None) -> None:
        """``secret`` is ``whsec_<base64>``. Raises ValueError for a URL or secret that cannot be used, naming neither."""
        place = urlsplit(url)
        if place.scheme != "https" and not (place.scheme == "http" and is_near(place.hostname or "")):
            raise ValueError("a webhook's URL begins with https://")
        if place.username or place.fragment:
            raise ValueError("a webhook's URL holds no user and no fragment")
        self._key = secret_bytes(secret)
        self._path = place.path or "/"
        self._query = tuple(parse_qsl(place.query, keep_blank_values=True))
        base = f"{place.scheme}://{place.netloc}"
        self._client = Client(
            Target("webhook", base, answer_timeout_s=ANSWER_WITHIN_S, max_body_bytes=MOST_ANSWER_BYTES, ca_file=ca_file)
        )

    def send(self, notice: Notice) -> str:
        """Post it, signed for this attempt."""
        body = json.dumps(dict(notice.body), separators=(",", ":"), sort_keys=True).encode()
        headers = (_JSON, *signed_headers((self._key,), notice.key, int(datetime.now(UTC).timestamp()), body))
        request = self._client.prepare("POST", self._path, self._query, headers, body)
        answer = self._client.send(request, body, idempotent=False)
        if isinstance(answer, Answer):
            return "" if 200 <= answer.status < 300 else f"the webhook answered {answer.status}"
        return "the webhook is out of reach" if isinstance(answer, NotSent) else "the webhook did not answer"
