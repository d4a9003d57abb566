"""One call of an OData service, read: which record of which set, with which query and body; and its reply."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

import msgspec

from workers.sandbox.problems import Answer, Headers

Json = dict[str, Any]
_SEGMENT = re.compile(r"([A-Za-z0-9_.$]+)(?:\((.*)\))?")
_TERM = re.compile(r"([A-Za-z0-9_]+) eq '((?:[^']|'')*)'")
_JSON = (b"content-type", b"application/json; odata.metadata=minimal")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """The service answers with an error envelope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    @property
    def body(self) -> Json:
        """The envelope."""
        return {"error": {"code": self.code, "message": self.message}}

    def answer(self, headers: Headers = ()) -> Answer:
        """The error as an HTTP answer."""
        return Answer(self.status, (_JSON, *headers), _ENCODER.encode(self.body))


@dataclass(frozen=True, slots=True)
class Call:
    """A call: ``path`` are the segments after the service root as (name, key), the key None where there is none."""

    method: str
    path: tuple[tuple[str, str | None], ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json

    @property
    def writes(self) -> bool:
        """Whether it can change a record."""
        return self.method != "GET"

    @property
    def operation(self) -> str:
        """Name for faults, counts and the log: ``salesOrders.post``, ``Microsoft.NAV.post.post``."""
        return f"{self.path[-1][0]}.{self.method.lower()}" if self.path else f"root.{self.method.lower()}"


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and body; ``told`` is what the log says of the write behind it, None for one that changed nothing."""

    status: int
    body: Json | None = None
    told: Json | None = None
    headers: Headers = ()

    def answer(self) -> Answer:
        """The reply as an HTTP answer."""
        if self.body is None:
            return Answer(self.status, self.headers)
        return Answer(self.status, (_JSON, *self.headers), _ENCODER.encode(self.body))


class Service(Protocol):
    """What an OData service does with calls, in memory. One call at a time: nothing here awaits."""

    root: str
    """Path of the service root, with a slash at its end."""
    key_field: str
    """The field that holds our key."""

    def do(self, call: Call) -> Reply:
        """Do it. Raises Refusal for what cannot be done; then nothing has changed."""
        ...

    def saved(self) -> object:
        """A copy of the memory, for restore()."""
        ...

    def restore(self, saved: object) -> None:
        """Put a copy back in place."""
        ...

    def over_limit(self, verdict: str) -> tuple[Refusal, int | None]:
        """How a refusal for a limit is answered, and the seconds of its Retry-After."""
        ...

    def catalogue(self) -> object:
        """The master data it starts with."""
        ...


@dataclass(slots=True)
class Request:
    """The calls of one HTTP request: one, or those of a batch."""

    calls: list[Call] = field(default_factory=list)
    batch: bool = False
    atomic: bool = False
    multipart: bool = False
    stops: bool = False
    """A batch that ends at its first error: what stands behind is neither done nor answered."""

    @property
    def operation(self) -> str:
        """Name for faults and counts; ``batch.write`` or ``batch.read`` for a batch."""
        if self.batch:
            return "batch.write" if self.writes else "batch.read"
        return self.calls[0].operation if self.calls else "unknown"

    @property
    def writes(self) -> bool:
        """Whether any call can change a record."""
        return any(call.writes for call in self.calls)


def read_batch(headers: Mapping[str, str], raw: bytes) -> Request:
    """The calls of a batch in JSON. Raises Refusal for what is none."""
    told = read_json(raw).get("requests")
    if not isinstance(told, list) or not 1 <= len(told) <= MOST_OPERATIONS:
        raise malformed(f"A batch holds 1 to {MOST_OPERATIONS} requests.")
    return Request([_part(one) for one in told], batch=True, atomic=headers.get("isolation", "").lower() == "snapshot")


MOST_OPERATIONS = 100


def read_json(raw: bytes) -> Json:
    """A JSON object with every digit. Raises Refusal."""
    if not raw:
        return {}
    try:
        told = json.loads(raw, parse_float=Decimal)
    except ValueError:
        raise malformed("The request body is not valid JSON.") from None
    if not isinstance(told, dict):
        raise malformed("The request body is not an object.")
    return told


def filter_of(text: str) -> tuple[str, frozenset[str]] | None:
    """Field and values of ``f eq 'a' or f eq 'b'``; None for no filter. Raises Refusal for any other: so does Business Central
    for an OR across fields.
    """
    if not text:
        return None
    terms = [_TERM.fullmatch(term) for term in text.split(" or ")]
    names = {term[1] for term in terms if term}
    if not all(terms) or len(names) != 1:
        raise Refusal(400, "Application_FilterErrorException", "The filter is not supported.")
    return names.pop(), frozenset(term[2].replace("''", "'") for term in terms if term)


def not_found() -> Refusal:
    """404: no such resource."""
    return Refusal(404, "BadRequest_ResourceNotFound", "No HTTP resource was found that matches the request URI.")


def malformed(message: str) -> Refusal:
    """400: not a request at all."""
    return Refusal(400, "BadRequest", message)


def _part(told: object) -> Call:
    if not isinstance(told, dict) or not isinstance(told.get("method"), str) or not isinstance(told.get("url"), str):
        raise malformed("A request of the batch has no method or url.")
    headers = {str(k).lower(): str(v) for k, v in (told.get("headers") or {}).items()}
    path, _, query = told["url"].partition("?")
    return read_call(told["method"], path, query, headers, told.get("body") or {})


def read_call(method: str, path: str, query: str, headers: Mapping[str, str], body: Json) -> Call:
    """The call of a request line and body. Raises Refusal for a path that is none."""
    segments = [_SEGMENT.fullmatch(unquote(part)) for part in path.strip("/").split("/")]
    if not all(segments):
        raise not_found()
    read = tuple((found[1], found[2]) for found in segments if found)
    return Call(method, read, {k: v[0] for k, v in parse_qs(query).items()}, headers, body)
