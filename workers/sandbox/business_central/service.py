"""Does calls on the company: documents with deep insert, changes under etags, posting, lists by filter."""

import copy
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from workers.sandbox.business_central.memory import (
    ACCOUNTS,
    CUSTOMERS,
    ITEMS,
    Document,
    Memory,
    new_line,
    reckoned,
    with_customer,
)
from workers.sandbox.business_central.schema import checked
from workers.sandbox.odata.calls import Call, Json, Refusal, Reply, filter_of, malformed, not_found

COMPANY = "7dbba574-5f69-4167-a43e-fb975045de15"
_ENTITY = {"salesOrders": "salesOrder", "salesCreditMemos": "salesCreditMemo"}
_LINES = {
    "salesOrders": "salesOrderLines",
    "salesShipments": "salesShipmentLines",
    "salesInvoices": "salesInvoiceLines",
    "salesCreditMemos": "salesCreditMemoLines",
}
_POSTED_HEADER = ("externalDocumentNumber", "customerNumber", "customerId", "customerName", "currencyCode")


class BusinessCentral:
    """API v2.0 of one company."""

    root = "/api/v2.0/"
    key_field = "externalDocumentNumber"

    def __init__(self) -> None:
        self._memory = Memory()

    def saved(self) -> object:
        return copy.deepcopy(self._memory)

    def restore(self, saved: object) -> None:
        if isinstance(saved, Memory):
            self._memory = saved

    def over_limit(self, verdict: str) -> tuple[Refusal, int | None]:
        """Too many requests at once or in the window are answered without Retry-After; a queue that takes too long with one."""
        if verdict == "queue":
            return Refusal(503, "Unknown", "The request has waited too long in the queue."), 30
        return Refusal(429, "Application_TooManyRequests", "Too many requests reached. Actual (101). Maximum (100)."), None

    def catalogue(self) -> object:
        return {"company": COMPANY, "items": ITEMS, "accounts": ACCOUNTS, "customers": CUSTOMERS}

    def do(self, call: Call) -> Reply:
        names = tuple(name for name, _ in call.path)
        if names[:1] != ("companies",) or len(names) < 2:
            raise not_found()
        if call.path[0][1] != COMPANY:
            raise Refusal(404, "Internal_CompanyNotFound", "The company does not exist.")
        if call.method == "GET":
            return self._show(call)
        has_key = tuple(key is not None for _, key in call.path[1:])
        todo = self._verbs().get((call.method, names[1:], has_key))
        if todo is None:
            raise not_found()
        return todo(call, call.path[1][1] or "")

    def _verbs(self) -> dict[tuple[str, tuple[str, ...], tuple[bool, ...]], Callable[[Call, str], Reply]]:
        return {
            ("POST", ("salesOrders",), (False,)): lambda call, _: self._create("salesOrders", call.body),
            ("POST", ("salesCreditMemos",), (False,)): lambda call, _: self._create("salesCreditMemos", call.body),
            ("PATCH", ("salesOrders",), (True,)): self._patch,
            ("DELETE", ("salesOrders",), (True,)): self._delete,
            ("POST", ("salesOrders", "salesOrderLines"), (True, False)): self._add_line,
            ("PATCH", ("salesOrderLines",), (True,)): self._change_line,
            ("DELETE", ("salesOrderLines",), (True,)): self._change_line,
            ("POST", ("salesOrders", "Microsoft.NAV.shipAndInvoice"), (True, False)): lambda _, key: self._ship(key),
            ("POST", ("salesCreditMemos", "Microsoft.NAV.post"), (True, False)): lambda _, key: self._post_memo(key),
        }

    def _show(self, call: Call) -> Reply:
        name, key = call.path[1]
        if name not in self._memory.sets or len(call.path) != 2:
            raise not_found()
        if key is None:
            return self._list(name, call)
        return Reply(200, self._shown(name, self._document(name, key), expand=_LINES[name] in call.query.get("$expand", "")))

    def _list(self, name: str, call: Call) -> Reply:
        asked = filter_of(call.query.get("$filter", ""))
        expand = _LINES[name] in call.query.get("$expand", "")
        found = self._memory.sets[name].values()
        rows = [self._shown(name, one, expand=expand) for one in found if asked is None or one.header.get(asked[0]) in asked[1]]
        return Reply(200, {"value": rows})

    def _create(self, name: str, body: Json) -> Reply:
        entity = _ENTITY[name]
        told = dict(checked(entity, body))
        lines = told.pop(_LINES[name], [])
        header = with_customer({"externalDocumentNumber": "", "currencyCode": "USD", "pricesIncludeTax": False, **told})
        document = Document(str(uuid.uuid4()), {**header, "status": "Draft"})
        document.lines = [new_line(checked(f"{entity}Line", one), 10000 * n, document.id) for n, one in enumerate(lines, 1)]
        document.header["number"] = self._memory.number()
        self._memory.sets[name][document.id] = document
        return Reply(201, self._shown(name, document, expand=bool(lines)), self._told(name, document))

    def _patch(self, call: Call, key: str) -> Reply:
        document = self._guarded(call, key)
        told = checked("salesOrder", call.body)
        if "salesOrderLines" in told:
            raise malformed("Deep updates are not supported.")
        header = {**document.header, **told}
        document.header = with_customer({k: v for k, v in header.items() if k != "customerId" or "customerId" in told})
        return self._changed(document)

    def _delete(self, call: Call, key: str) -> Reply:
        document = self._guarded(call, key)
        if any(Decimal(line["shippedQuantity"]) != Decimal(line["invoicedQuantity"]) for line in document.lines):
            raise Refusal(400, "Application_DialogException", "The order cannot be deleted: it is shipped and not invoiced.")
        del self._memory.sets["salesOrders"][key]
        return Reply(204, None, self._told("salesOrders", document))

    def _add_line(self, call: Call, key: str) -> Reply:
        document = self._document("salesOrders", key)
        last = max((line["sequence"] for line in document.lines), default=0)
        line = new_line(checked("salesOrderLine", call.body), last + 10000, key)
        document.lines.append(line)
        self._changed(document)
        return Reply(201, line, self._told("salesOrders", document))

    def _change_line(self, call: Call, key: str) -> Reply:
        for document in self._memory.sets["salesOrders"].values():
            for n, line in enumerate(document.lines):
                if line["id"] == key:
                    return self._with_line(call, document, n)
        raise Refusal(404, "BadRequest_ResourceNotFound", "The line does not exist.")

    def _with_line(self, call: Call, document: Document, n: int) -> Reply:
        if not call.headers.get("if-match"):
            raise _no_etag()
        if call.method == "DELETE":
            if Decimal(document.lines[n]["shippedQuantity"]):
                raise Refusal(400, "Application_DialogException", "A line that is shipped cannot be deleted.")
            del document.lines[n]
            self._changed(document)
            return Reply(204, None, self._told("salesOrders", document))
        document.lines[n] = reckoned(document.lines[n], checked("salesOrderLine", call.body))
        self._changed(document)
        return Reply(200, document.lines[n], self._told("salesOrders", document))

    def _ship(self, key: str) -> Reply:
        order = self._document("salesOrders", key)
        if not any(Decimal(line["shipQuantity"]) for line in order.lines):
            raise Refusal(400, "Application_DialogException", "There is nothing to post.")
        shipment = self._posted("salesShipments", order, lambda line: Decimal(line["shipQuantity"]))
        self._posted("salesInvoices", order, lambda line: Decimal(line["invoiceQuantity"]))
        for n, line in enumerate(order.lines):
            moved = {"shippedQuantity": Decimal(line["shippedQuantity"]) + Decimal(line["shipQuantity"])}
            moved["invoicedQuantity"] = Decimal(line["invoicedQuantity"]) + Decimal(line["invoiceQuantity"])
            order.lines[n] = reckoned(line, moved)
        order.version += 1
        if all(Decimal(line["shippedQuantity"]) == Decimal(line["quantity"]) for line in order.lines):
            del self._memory.sets["salesOrders"][key]
        return Reply(204, None, self._told("salesShipments", shipment))

    def _posted(self, name: str, order: Document, pieces: Callable[[Json], Decimal]) -> Document:
        header: Json = {field: order.header[field] for field in _POSTED_HEADER}
        header |= {"number": self._memory.number(), "orderNumber": order.header["number"], "orderId": order.id}
        posted = Document(str(uuid.uuid4()), header)
        # A line of which nothing leaves is carried along with none.
        posted.lines = [
            {**line, "id": str(uuid.uuid4()), "documentId": posted.id, "quantity": pieces(line)} for line in order.lines
        ]
        self._memory.sets[name][posted.id] = posted
        return posted

    def _post_memo(self, key: str) -> Reply:
        memo = self._document("salesCreditMemos", key)
        if memo.header["status"] != "Draft":
            raise Refusal(400, "Application_DialogException", "The credit memo is posted.")
        if not memo.lines:
            raise Refusal(400, "Application_DialogException", "There is nothing to post.")
        memo.header["status"] = "Open"
        return Reply(204, None, self._told("salesCreditMemos", memo))

    def _guarded(self, call: Call, key: str) -> Document:
        document = self._document("salesOrders", key)
        etag = call.headers.get("if-match")
        if not etag:
            raise _no_etag()
        if etag not in ("*", document.etag):
            raise Refusal(409, "Request_EntityChanged", "Another user has already changed the record.")
        return document

    def _changed(self, document: Document) -> Reply:
        document.version += 1
        return Reply(200, self._shown("salesOrders", document, expand=False), self._told("salesOrders", document))

    def _document(self, name: str, key: str) -> Document:
        found = self._memory.sets[name].get(key)
        if found is None:
            raise not_found()
        return found

    @staticmethod
    def _shown(name: str, document: Document, *, expand: bool) -> Json:
        shown: Json = {"@odata.etag": document.etag, "id": document.id, **document.header}
        if name in _ENTITY:
            shown["totalAmountIncludingTax"] = document.total()
        if name == "salesShipments":
            shown = {field: value for field, value in shown.items() if field != "orderId"}
        return shown | ({_LINES[name]: [dict(line) for line in document.lines]} if expand else {})

    @staticmethod
    def _told(name: str, document: Document) -> dict[str, Any]:
        """What the log says of a write: the document, under its own key."""
        told: dict[str, Any] = {"record": name, "external_id": document.header.get("externalDocumentNumber") or None}
        told |= {"internal_id": document.id, "committed": True, "total": str(document.total())}
        return told | {"currency": document.header.get("currencyCode"), "quantity": str(_pieces(document))}


def _pieces(document: Document) -> Decimal:
    return sum((Decimal(line["quantity"]) for line in document.lines if line["lineType"] == "Item"), Decimal(0))


def _no_etag() -> Refusal:
    return Refusal(400, "BadRequest_InvalidToken", "The If-Match header is missing.")
