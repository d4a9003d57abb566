"""Speaks OData 4 JSON: literals of filters, error envelopes, and several requests in one as a JSON ``$batch``.

Sources: OData JSON Format 4.01, 19 "Batch Requests and Responses"; OData URL Conventions, 5.1.1 (literals).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Body = Mapping[str, object]
Pairs = tuple[tuple[str, str], ...]

JSON: Pairs = (("content-type", "application/json"),)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a batch; ``url`` is relative to the service root, without a slash before it."""

    method: str
    url: str
    body: Body | None = field(default=None, repr=False)
    headers: Pairs = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a batch answers to one of its requests."""

    status: int
    body: Any = field(default=None, repr=False)


def encoded(body: object) -> bytes:
    """JSON with every digit of a Decimal."""
    return _ENCODER.encode(body)


def quoted(text: str) -> str:
    """A string literal of a filter.

    >>> quoted("O'Hara")
    "'O''Hara'"
    """
    return "'" + text.replace("'", "''") + "'"


def any_of(field_name: str, values: Iterable[str]) -> str:
    """A filter for records whose field holds one of the values."""
    return " or ".join(f"{field_name} eq {quoted(value)}" for value in values)


def envelope(body: object) -> tuple[str, str]:
    """Code and message of an error body, empty where it is none. The message may quote values: never tell it on."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", ""
    code, message = error.get("code"), error.get("message")
    return (code if isinstance(code, str) and _CODE.fullmatch(code) else ""), message if isinstance(message, str) else ""


def batch_body(parts: Sequence[Part], group: str = "") -> bytes:
    """The body of a batch; with ``group`` all parts belong to one atomicity group."""
    return encoded({"requests": [_request(part, n, group) for n, part in enumerate(parts, 1)]})


def batch_replies(body: object, parts: int) -> list[Reply | None] | None:
    """Replies in the order of the requests, None for one that is missing; None for a body that is no batch answer.

    Replies are told apart by their id, and by their place where the server leaves the ids out.
    """
    told = body.get("responses") if isinstance(body, Mapping) else None
    if not isinstance(told, list):
        return None
    found: list[Reply | None] = [None] * parts
    for place, one in enumerate(told):
        if not isinstance(one, Mapping) or not isinstance(one.get("status"), int):
            return None
        name = one.get("id")
        number = place if name in (None, "") else int(name) - 1 if str(name).isdecimal() else -1
        if not 0 <= number < parts:
            return None
        found[number] = Reply(one["status"], one.get("body"))
    return found


def _request(part: Part, number: int, group: str) -> dict[str, object]:
    told: dict[str, object] = {"id": str(number), "method": part.method, "url": part.url}
    if group:
        told["atomicityGroup"] = group
    headers = dict((*part.headers, *(() if part.body is None else JSON)))
    told["headers"] = headers
    return told if part.body is None else told | {"body": part.body}
