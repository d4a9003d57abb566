"""The sandbox's control interface under ``/sandbox``: stats, limits, faults, catalogue. Loopback only.

``GET /sandbox/stats`` · ``GET /sandbox/catalogue`` · ``GET|POST|DELETE /sandbox/faults`` (one object or a list; DELETE takes
``/sandbox/faults/<number>`` too) · ``GET|PATCH /sandbox/limits`` (PATCH changes only what it names) ·
``POST /sandbox/tokens/revoke``.
"""

import json
from ipaddress import ip_address
from typing import Protocol

from pydantic import BaseModel, ValidationError

from workers.sandbox.faults import KINDS, Fault, Faults, nearest
from workers.sandbox.limits import Gate
from workers.sandbox.problems import Answer
from workers.sandbox.stats import Stats
from workers.sandbox.tokens import Tokens
from workers.sandbox.wire import Scope

_JSON = (b"content-type", b"application/json")


class Controlled(Protocol):
    """What any sandbox lets itself be told."""

    @property
    def stats(self) -> Stats:
        """Its counts."""
        ...

    @property
    def gate(self) -> Gate:
        """Its limits."""
        ...

    @property
    def faults(self) -> Faults:
        """Its faults."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Its tokens."""
        ...

    def catalogue(self) -> object:
        """Its master data as JSON."""
        ...


def answer(sandbox: Controlled, scope: Scope, raw: bytes) -> Answer:
    """Answer one control request."""
    if not ip_address(scope["client"][0]).is_loopback:
        return _told(403, {"error": "the control interface answers on the loopback only"})
    parts = scope["path"].strip("/").split("/")[1:]
    try:
        return _route(sandbox, scope["method"], parts, raw)
    except ValidationError as error:
        return _told(400, {"error": _first(error, type(sandbox.gate.limits) if parts == ["limits"] else Fault)})
    except (ValueError, TypeError) as error:
        return _told(400, {"error": f"the body is not what this address takes: {error}"})


def _route(sandbox: Controlled, method: str, parts: list[str], raw: bytes) -> Answer:
    shown: object = {"error": "no such control; there are stats, catalogue, limits, faults, tokens/revoke"}
    status = 200
    match (method, parts):
        case "GET", ["stats"]:
            shown = sandbox.stats.as_json()
        case "GET", ["catalogue"]:
            shown = sandbox.catalogue()
        case "GET", ["limits"]:
            shown = sandbox.gate.limits.model_dump()
        case "PATCH", ["limits"]:
            return _limits(sandbox, raw)
        case _, ["faults", *rest]:
            return _faults(sandbox, method, rest, raw)
        case "POST", ["tokens", "revoke"]:
            sandbox.tokens.revoke_all()
            shown = {"revoked": True}
        case _:
            status = 404
    return _told(status, shown)


def _limits(sandbox: Controlled, raw: bytes) -> Answer:
    limits = type(sandbox.gate.limits).model_validate({**sandbox.gate.limits.model_dump(), **_object(raw)})
    sandbox.gate.set(limits)
    return _told(200, limits.model_dump())


def _faults(sandbox: Controlled, method: str, rest: list[str], raw: bytes) -> Answer:
    if method == "POST" and not rest:
        told = json.loads(raw)
        asked = [Fault.model_validate(one) for one in (told if isinstance(told, list) else [told])]
        return _told(201, {"faults": [sandbox.faults.arm(fault) for fault in asked]})
    if method == "DELETE":
        return _told(200, {"disarmed": sandbox.faults.disarm(int(rest[0]) if rest else None)})
    listing = [{"number": a.number, "hits": a.hits, **a.fault.model_dump()} for a in sandbox.faults.listing()]
    return _told(200, {"faults": listing})


def _object(raw: bytes) -> dict[str, object]:
    told = json.loads(raw)
    if not isinstance(told, dict):
        raise TypeError("an object is needed")
    return told


def _first(error: ValidationError, model: type[BaseModel]) -> str:
    found = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return f"unknown key {name!r}{nearest(name, tuple(model.model_fields))}"
    if name == "kind":
        return f"unknown kind {found['input']!r}{nearest(str(found['input']), KINDS)}; there are {', '.join(KINDS)}"
    return f"{name}: {found['msg']}"


def _told(status: int, body: object) -> Answer:
    return Answer(status, (_JSON,), json.dumps(body).encode())
