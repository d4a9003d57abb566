"""Runs the look at the broker's alarms by its management API: a broker in alarm takes no message and says nothing of it."""

import base64
from urllib.parse import unquote, urlsplit

from adapters.http.answers import Answer
from adapters.http.client import Client
from adapters.http.target import Target
from telemetry import Name, emit

_PATH = "/api/health/checks/alarms"
"""RabbitMQ's HTTP API: 200 without alarms in the cluster, 503 with one."""
ANSWER_WITHIN_S = 3.0


class BrokerAlarm:
    """Asks for alarms; tells when one comes and goes. ``api_url`` is MILLRACE_BROKER_API_URL."""

    def __init__(self, api_url: str) -> None:
        place = urlsplit(api_url)
        login = f"{unquote(place.username or '')}:{unquote(place.password or '')}"
        host = place.netloc.rpartition("@")[2]
        prefix = place.path.rstrip("/").removesuffix("/api")
        self._client = Client(
            Target(
                "broker",
                f"{place.scheme}://{host}{prefix}",
                headers=(("authorization", f"Basic {base64.b64encode(login.encode()).decode()}"),),
                connect_timeout_s=ANSWER_WITHIN_S,
                answer_timeout_s=ANSWER_WITHIN_S,
            )
        )
        self._told = ""

    def look(self) -> str:
        """Why the broker takes no messages; empty when it does."""
        why = self._ask()
        if why and why != self._told:
            emit(Name.BROKER_ALARM_SEEN, reason=why)
        elif self._told and not why:
            emit(Name.BROKER_ALARM_CLEARED)
        self._told = why
        return why

    def close(self) -> None:
        """Close the kept connection."""
        self._client.close()

    def _ask(self) -> str:
        request = self._client.prepare("GET", _PATH, (), (), b"")
        answer = self._client.send(request, b"", idempotent=True)
        if not isinstance(answer, Answer):
            return "its management API does not answer"
        if answer.status == 503:
            return "an alarm of memory or disk is in effect"
        return ""
