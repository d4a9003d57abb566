"""Doing one operation on the account: from a read request to an answer and a line for the log."""

import json
from dataclasses import dataclass
from decimal import Decimal

from workers.sandbox import views
from workers.sandbox.catalogue import Catalogue, seeded
from workers.sandbox.documents import Written, insert, update
from workers.sandbox.effect import Effect
from workers.sandbox.fields import Draft, Json, as_object, read
from workers.sandbox.money import currency_of
from workers.sandbox.problems import Answer, invalid_content, invalid_request, nonexistent
from workers.sandbox.records import TRANSACTIONS, Record, Store
from workers.sandbox.routes import Query, Route
from workers.sandbox.suiteql import run
from workers.sandbox.transforms import ship, transform, twin

_JSON = (b"content-type", b"application/vnd.oracle.resource+json; type=singular")
VERSION_FIELD = "custbody_millrace_version"
REFERENCE_FIELD = "otherRefNum"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read: what it asks for, with which body."""

    route: Route
    query: Query
    body: Json
    origin: str
    strict_names: bool = False
    transient: bool = False


class Account:
    """The ERP's memory and what can be done to it. One request at a time: nothing here awaits."""

    def __init__(self) -> None:
        self.store = Store()
        self.catalogue: Catalogue = seeded()

    def do(self, request: Request, *, twice: bool = False) -> Effect:
        """Do it. Raises Refusal for what cannot be done; then nothing has changed."""
        route = request.route
        if route.verb == "query":
            if not request.transient:
                raise invalid_request("The request requires the header Prefer: transient.")
            return Effect(_body(run(self.store, request.body)))
        if route.verb in {"get", "lines"}:
            return self._show(request)
        draft = read(route.record, request.body, self.catalogue, strict_names=request.strict_names)
        written = self._write(route, request.query, draft)
        if twice and written.changed:
            twin(self.store, written.record)
        return self._told(request, draft, written, 2 if twice and written.changed else int(written.changed))

    def _write(self, route: Route, query: Query, draft: Draft) -> Written:
        key = route.key or ""
        if route.verb == "create":
            return insert(self.store, self.catalogue, route.record, draft, None)
        if route.verb == "transform":
            source = self.store.get(str(route.source), key)
            return transform(self.store, self.catalogue, source, route.record, draft, listed_only="item" in query.replace)
        found = self.store.find(route.record, key)
        if found is None and route.verb == "upsert":
            if route.record in {"itemFulfillment", "itemReceipt"}:
                raise invalid_content(f"A new {route.record} is made by transforming the record it belongs to.", "createdFrom")
            if draft.text("externalId") not in {None, key[4:]}:
                raise invalid_content("The external id of the body is not the one of the address.", "externalId")
            return insert(self.store, self.catalogue, route.record, draft, key[4:])
        record = found or self.store.get(route.record, key)
        before = record.status
        written = update(self.catalogue, record, draft, query.replace)
        ship(self.store, self.catalogue, record, before)
        return written

    def _show(self, request: Request) -> Effect:
        route, key = request.route, request.route.key or ""
        if route.record == "inventoryItem":
            identifier = self.catalogue.external.get(("item", key[4:])) if key.startswith("eid:") else key
            shown = views.item(self.catalogue, identifier or "", request.origin)
            if shown is None:
                raise nonexistent()
            return Effect(_body(shown))
        if route.record == "customer" and (entry := self._seeded_customer(key)) is not None:
            return Effect(_body(entry))
        record = self.store.get(route.record, key)
        if route.verb == "lines":
            shown = views.lines(record, self.catalogue, request.origin)
        else:
            shown = views.whole(record, self.catalogue, request.origin, expand=request.query.expand)
        return Effect(_body(shown), ({"external_id": record.external_id, "internal_id": record.id},))

    def _seeded_customer(self, key: str) -> dict[str, object] | None:
        if self.store.find("customer", key) is not None:
            return None
        identifier = self.catalogue.external.get(("customer", key[4:])) if key.startswith("eid:") else key
        entry = self.catalogue.entries["customer"].get(identifier or "")
        return None if entry is None else {"id": entry.id, "externalId": entry.external_id, "entityId": entry.name}

    def _told(self, request: Request, draft: Draft, written: Written, commits: int) -> Effect:
        record = written.record
        headers = [(b"location", views.href(request.origin, record.type, record.id).encode())]
        if draft.unknown:
            names = ", ".join(draft.unknown)[:500].encode("ascii", "replace").decode()
            headers.append((b"warning", f'299 - "Unknown field names were ignored: {names}"'.encode()))
            headers.append((b"x-netsuite-propertyvalidation", b"Warning"))
        return Effect(Answer(204, tuple(headers)), (self._line(record, draft, written),), commits)

    def _line(self, record: Record, draft: Draft, written: Written) -> dict[str, object]:
        line: dict[str, object] = {"record": record.type, "external_id": record.external_id, "internal_id": record.id}
        line |= {"parent_id": record.parent, "committed": written.changed, "replayed": not written.changed}
        version = draft.header.get(VERSION_FIELD)
        line["version"] = None if version is None else str(version)
        reference = record.header.get(REFERENCE_FIELD)
        line["reference"] = None if reference is None else str(reference)
        if record.type in TRANSACTIONS:
            line |= {"quantity": str(record.quantity), "total": str(record.total)}
            line["currency"] = currency_of(record, self.catalogue)
        return line


def _body(shown: object) -> Answer:
    return Answer(200, (_JSON,), json.dumps(shown, default=_plain).encode())


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} cannot be shown as JSON")


def read_json(raw: bytes) -> Json:
    """The body as an object, numbers exact; an empty body is an empty object. Raises Refusal (INVALID_REQUEST)."""
    if not raw:
        return {}
    try:
        return as_object(json.loads(raw, parse_float=Decimal, parse_constant=_no_constant))
    except (ValueError, RecursionError):
        raise invalid_request() from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
