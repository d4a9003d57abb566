"""Which operation a request asks for, from its method and path."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote

from workers.sandbox.fields import RECORDS
from workers.sandbox.problems import Refusal, nonexistent

PREFIX = "/services/rest/"
TOKEN_PATH = PREFIX + "auth/oauth2/v1/token"
_RECORD = PREFIX + "record/v1/"
_JOB = PREFIX + "async/v1/job/"

Verb = Literal["get", "lines", "create", "update", "upsert", "transform", "query", "batch", "job"]
_BY_METHOD: dict[str, Verb] = {"GET": "get", "PATCH": "update", "PUT": "upsert"}
_FROM_SCRATCH = frozenset({"salesOrder", "returnAuthorization", "creditMemo", "customer"})


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: verb, record type, the key in the path and, for a transform, the record it starts from."""

    verb: Verb
    record: str
    key: str | None = None
    source: str | None = None

    @property
    def operation(self) -> str:
        """Name used for faults, counts and the log: ``salesOrder.upsert``, ``itemFulfillment.transform``."""
        return f"{self.record}.{self.verb}"

    @property
    def writes(self) -> bool:
        """Whether it can change a record."""
        return self.verb in {"create", "update", "upsert", "transform", "batch"}


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of the query string the sandbox heeds."""

    replace: frozenset[str]
    expand: bool


def route(method: str, path: str, *, many: bool = False) -> Route:
    """The operation asked for; ``many``: the body is a collection. Raises Refusal: 404 for an unknown path, 405 for a method
    it does not take.
    """
    if not path.startswith(_RECORD):
        return _beside_records(method, path)
    parts = [unquote(part) for part in path[len(_RECORD) :].split("/")]
    match parts:
        case ["inventoryItem", key] if method == "GET" and key:
            return Route("get", "inventoryItem", key)
        case [record] if record in RECORDS:
            verb: Verb = "batch" if many else "create"
            return Route(verb, record) if method == "POST" and record in _FROM_SCRATCH else _not_allowed()
        case [record, key] if record in RECORDS and key:
            return _on_instance(method, record, key)
        case [record, key, "item"] if record in RECORDS and key:
            return Route("lines", record, key) if method == "GET" else _not_allowed()
        case [source, key, "!transform", record] if source in RECORDS and record in RECORDS and key:
            return Route("transform", record, key, source) if method == "POST" else _not_allowed()
    raise nonexistent()


def _beside_records(method: str, path: str) -> Route:
    if path.startswith(_JOB):
        return Route("job", "async", path[len(_JOB) :].rstrip("/")) if method == "GET" else _not_allowed()
    if path == PREFIX + "query/v1/suiteql":
        return Route("query", "suiteql") if method == "POST" else _not_allowed()
    raise nonexistent()


def _on_instance(method: str, record: str, key: str) -> Route:
    verb = _BY_METHOD.get(method)
    if verb is None or (verb == "upsert" and not key.startswith("eid:")):
        return _not_allowed()
    return Route(verb, record, key)


def _not_allowed() -> Route:
    raise Refusal(405, "METHOD_NOT_ALLOWED", "The method is not allowed for this resource.")


def query(raw: bytes) -> Query:
    """The query string, read."""
    if not raw:
        return Query(frozenset(), False)
    told = parse_qs(raw.decode("latin-1"))
    names = ",".join(told.get("replace", ())).split(",")
    return Query(frozenset(name for name in names if name), "true" in [v.lower() for v in told.get("expandSubResources", ())])
