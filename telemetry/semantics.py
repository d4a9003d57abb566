"""Names spans and attributes: OpenTelemetry semantic conventions 1.44, the one place to change when they move."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from telemetry.events import Name

CONVENTIONS = "https://opentelemetry.io/schemas/1.44.0"
Role = Literal["server", "client", "producer", "consumer", "internal"]


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of span: `name` and the field that completes it (`{operation} {destination}`), and its role."""

    name: str
    destination: str
    role: Role
    operation_type: str = ""


WORKS: Mapping[str, Work] = {
    "event.accept": Work("receive", "source", "server"),
    "event.prepare": Work("process", "domain", "consumer", "process"),
    "delivery.post": Work("deliver", "target", "consumer", "process"),
    "erp.exchange": Work("request", "target", "client"),
    "publish.batch": Work("send", "queue", "producer", "send"),
}
"""What becomes a span, by the first two parts of its events' names."""

ALSO_ENDS: Mapping[Name, str] = {Name.EVENT_REFUSE_DONE: "event.accept", Name.STEP_RUN_FAILED: "delivery.post"}
"""Events that end a piece of work under another name."""

ATTRIBUTES: Mapping[str, str] = {
    "correlation_id": "messaging.message.conversation_id",
    "message_id": "messaging.message.id",
    "queue": "messaging.destination.name",
    "exchange": "messaging.rabbitmq.destination.exchange",
    "count": "messaging.batch.message_count",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "size_bytes": "http.request.body.size",
    "attempt": "millrace.attempt",
    "cls": "millrace.class",
    "error_code": "millrace.error_code",
    "error_type": "error.type",
}
"""Attribute of a field; every other field is `millrace.<field>`."""

SYSTEM = ("messaging.system", "rabbitmq")
OPERATION_TYPE = "messaging.operation.type"
ERROR_TYPE = "error.type"
FAILED_OUTCOMES = frozenset({"unavailable", "rejected", "conflict", "uncertain", "failed", "parked", "timeout", "nacked"})


def attribute(field: str) -> str:
    """The attribute a field is told as."""
    return ATTRIBUTES.get(field, f"millrace.{field}")
