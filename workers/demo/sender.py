"""Pours webhooks over HTTP as their senders do: each at its time, many connections at once, again until it is answered 2xx."""

import heapq
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from workers.demo.sent_log import Attempt, SentLog
from workers.demo.webhook import Webhook, headers_of

PATIENCE_S = 5.0
FIRST_AGAIN_S = 0.5
MOST_ATTEMPTS = 8
MOST_REFUSALS = 2
"""A sender's own schedule runs for hours; a demo takes a second no for a no."""


class Sender:
    """Sends every webhook and notes every attempt. ``start()``, then wait for ``done``; ``stop()`` at any time."""

    def __init__(
        self, url: str, webhooks: Sequence[Webhook], secrets: Mapping[str, bytes], log: SentLog, connections: int
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._webhooks = webhooks
        self._secrets = secrets
        self._log = log
        self._due = [(webhook.at_s, n, 1) for n, webhook in enumerate(webhooks)]
        heapq.heapify(self._due)
        self._busy = 0
        self._stopped = False
        self._turn = threading.Condition()
        self._opened_at = 0.0
        self._threads = [threading.Thread(target=self._work, name=f"sender-{n}", daemon=True) for n in range(max(1, connections))]

    def start(self) -> None:
        """Open the sale."""
        self._opened_at = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Nothing is left to send."""
        with self._turn:
            return not self._due and not self._busy

    def stop(self) -> None:
        """Send nothing more, and wait for what is on its way."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(PATIENCE_S + 1)

    def _work(self) -> None:
        connection = HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
        try:
            while (due := self._next()) is not None:
                n, attempt = due
                made = self._send(connection, n, attempt)
                self._log.append(made)
                self._put_back(made)
        finally:
            connection.close()

    def _next(self) -> tuple[int, int] | None:
        """The next webhook that is due, None when there will be none."""
        with self._turn:
            while not self._stopped:
                if not self._due and not self._busy:
                    self._turn.notify_all()
                    return None
                wait_s = self._due[0][0] - self._passed_s() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    _, n, attempt = heapq.heappop(self._due)
                    self._busy += 1
                    return n, attempt
                self._turn.wait(wait_s)
            return None

    def _put_back(self, made: Attempt) -> None:
        with self._turn:
            self._busy -= 1
            refused = made.status is not None and 400 <= made.status < 500
            most = MOST_REFUSALS if refused else MOST_ATTEMPTS
            if not made.accepted and made.attempt < most:
                again_s = self._passed_s() + min(FIRST_AGAIN_S * 2 ** (made.attempt - 1), 4.0)
                heapq.heappush(self._due, (again_s, made.n, made.attempt + 1))
            self._turn.notify_all()

    def _send(self, connection: HTTPConnection, n: int, attempt: int) -> Attempt:
        webhook = self._webhooks[n]
        sent_at = time.time()
        status: int | None = None
        error = ""
        try:
            status = self._exchange(connection, webhook, hang_up=webhook.gives_up and attempt == 1)
            error = "" if status else "hung up before the answer"
        except (OSError, HTTPException) as failure:
            error = type(failure).__name__
            connection.close()
        return Attempt(n, attempt, sent_at, time.time(), status, error)

    def _exchange(self, connection: HTTPConnection, webhook: Webhook, *, hang_up: bool) -> int | None:
        connection.putrequest("POST", webhook.url_path, skip_accept_encoding=True)
        for name, value in headers_of(webhook, self._secrets[webhook.source], str(uuid.uuid4()), datetime.now(UTC)):
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(webhook.body)))
        # A server that has read enough to refuse may close its side while the rest is still being sent.
        with suppress(BrokenPipeError):
            connection.endheaders(webhook.body)
        if hang_up:
            connection.close()
            return None
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def _passed_s(self) -> float:
        return time.monotonic() - self._opened_at
