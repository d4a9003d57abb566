"""Does calls on the environment: sales orders with deep insert under a unique alternate key, their products, cancelling."""

import copy
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from workers.sandbox.odata.calls import Call, Json, Refusal, Reply

KEY = "mr_key"
VERSION = "mr_version"
ACCOUNT = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
PRICE_LIST = "3f2504e0-4f89-41d3-9a0c-0305e82c3302"
UNIT = "3f2504e0-4f89-41d3-9a0c-0305e82c3303"
PRODUCTS = tuple(f"3f2504e0-4f89-41d3-9a0c-0305e82d{n:04d}" for n in range(1, 51))

_MONEY = frozenset({"quantity", "priceperunit", "manualdiscountamount", "tax"})
_ORDER = frozenset({KEY, VERSION, "name", "ispricelocked", "order_details", "freightamount"}) | {
    f"shipto_{part}" for part in ("name", "line1", "line2", "city", "stateorprovince", "postalcode", "country")
}
_ORDER_BINDS = {"customerid_account": {f"/accounts({ACCOUNT})"}, "pricelevelid": {f"/pricelevels({PRICE_LIST})"}}
_DETAIL = _MONEY | {"mr_line", "isproductoverridden", "ispriceoverridden", "productdescription"}
_DETAIL_BINDS = {"productid": {f"/products({one})" for one in PRODUCTS}, "uomid": {f"/uoms({UNIT})"}}

_THROTTLES = {
    "rate": ("0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds."),
    "concurrency": ("0x80072326", "Number of concurrent requests exceeded the limit of 52."),
}
_LONGEST_RETRY_S = 300


class Dataverse:
    """The Web API of one environment."""

    root = "/api/data/v9.2/"
    key_field = KEY

    def __init__(self) -> None:
        self._orders: dict[str, Json] = {}
        self._refused = 0

    def saved(self) -> object:
        return copy.deepcopy(self._orders)

    def restore(self, saved: object) -> None:
        if isinstance(saved, dict):
            self._orders = saved

    def over_limit(self, verdict: str) -> tuple[Refusal, int | None]:
        """429 with a Retry-After that grows with every further request until one is admitted again."""
        self._refused += 1
        code, message = _THROTTLES.get(verdict, _THROTTLES["concurrency"])
        return Refusal(429, code, message), min(_LONGEST_RETRY_S, self._refused)

    def catalogue(self) -> object:
        return {"accounts": [ACCOUNT], "pricelevels": [PRICE_LIST], "uoms": [UNIT], "products": PRODUCTS}

    def do(self, call: Call) -> Reply:
        self._refused = 0
        if len(call.path) != 1:
            raise _unknown_path()
        name, key = call.path[0]
        verbs: dict[tuple[str, str, bool], Callable[[Call, str], Reply]] = {
            ("POST", "salesorders", False): lambda call, _: self._create(call.body),
            ("GET", "salesorders", True): lambda _, key: Reply(200, self._order(key)),
            ("PATCH", "salesorders", True): self._change,
            ("POST", "salesorderdetails", False): lambda call, _: self._add(call.body),
            ("PATCH", "salesorderdetails", True): self._change_detail,
            ("DELETE", "salesorderdetails", True): self._change_detail,
            ("POST", "CancelSalesOrder", False): lambda call, _: self._cancel(call.body),
        }
        todo = verbs.get((call.method, name, key is not None))
        if todo is None:
            raise _unknown_path()
        return todo(call, key or "")

    def _create(self, body: Json) -> Reply:
        told = _checked("salesorder", body, _ORDER, _ORDER_BINDS)
        if any(order.get(KEY) == told.get(KEY) is not None for order in self._orders.values()):
            raise Refusal(412, "0x80060892", "A record that has the attribute values mr_key already exists.")
        missing = {f"{name}@odata.bind" for name in _ORDER_BINDS} - set(told)
        if missing:
            raise Refusal(400, "0x80040203", f"Attributes are missing: {sorted(missing)}.")
        lines = [_detail(one) for one in told.pop("order_details", [])]
        order: Json = {"salesorderid": str(uuid.uuid4()), "statecode": 0, "etag": 1, **told, "order_details": lines}
        self._orders[order["salesorderid"]] = order
        return Reply(201, _shown(order), _line(order))

    def _change(self, call: Call, key: str) -> Reply:
        order = self._find(key)
        if call.headers.get("if-match") not in ("*", f'W/"{order["etag"]}"'):
            raise Refusal(412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided.")
        self._open(order)
        told = _checked("salesorder", call.body, _ORDER - {"order_details"}, _ORDER_BINDS)
        order |= told
        return self._written(order)

    def _add(self, body: Json) -> Reply:
        told = dict(body)
        bind = str(told.pop("salesorderid@odata.bind", ""))
        order = self._find(bind.removeprefix("/salesorders(").removesuffix(")"))
        self._open(order)
        order["order_details"].append(_detail(told))
        return Reply(201, order["order_details"][-1], self._written(order).told)

    def _change_detail(self, call: Call, key: str) -> Reply:
        for order in self._orders.values():
            for n, line in enumerate(order["order_details"]):
                if line["salesorderdetailid"] == key:
                    self._open(order)
                    if call.method == "DELETE":
                        del order["order_details"][n]
                    else:
                        line.update(_checked("salesorderdetail", call.body, _DETAIL, _DETAIL_BINDS))
                    return self._written(order)
        raise Refusal(404, "0x80040217", "salesorderdetail does not exist.")

    def _cancel(self, body: Json) -> Reply:
        close = body.get("OrderClose")
        if not isinstance(close, dict) or not isinstance(body.get("Status"), int):
            raise Refusal(400, "0x80048d19", "Required parameters are missing: OrderClose, Status.")
        bind = str(close.get("salesorderid@odata.bind", ""))
        order = self._find(bind.removeprefix("/salesorders(").removesuffix(")"))
        self._open(order)
        order |= {"statecode": 2, "statuscode": body["Status"]}
        return self._written(order)

    def _order(self, key: str) -> Json:
        return _shown(self._find(key))

    def _find(self, key: str) -> Json:
        name, _, value = key.partition("=")
        found = self._orders.get(key)
        if name == KEY and value:
            found = next((order for order in self._orders.values() if f"'{order.get(KEY)}'" == value), None)
        if found is None:
            raise Refusal(404, "0x80060891" if value else "0x80040217", "A record with the specified key values does not exist.")
        return found

    @staticmethod
    def _open(order: Json) -> None:
        if order["statecode"] != 0:
            raise Refusal(400, "0x80048408", "The sales order cannot be changed in its state.")

    @staticmethod
    def _written(order: Json) -> Reply:
        order["etag"] += 1
        return Reply(204, None, _line(order))


def _checked(entity: str, body: Json, known: frozenset[str], binds: dict[str, set[str]]) -> Json:
    for name, value in body.items():
        target = name.removesuffix("@odata.bind")
        if target != name and target in binds:
            if value not in binds[target]:
                raise Refusal(404, "0x80040217", f"{target} With Id = {value} Does Not Exist")
        elif name not in known:
            message = f"The property '{name}' does not exist on type 'Microsoft.Dynamics.CRM.{entity}'."
            raise Refusal(400, "0x80048d19", message)
        elif name in _MONEY and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
            raise Refusal(400, "0x80048d19", f"Cannot convert the value of '{name}' to Edm.Decimal.")
    return dict(body)


def _detail(told: Json) -> Json:
    line = _checked("salesorderdetail", told, _DETAIL, _DETAIL_BINDS)
    if not line.get("isproductoverridden") and not {"productid@odata.bind", "uomid@odata.bind"} <= set(line):
        raise Refusal(400, "0x80048d03", "The product or unit of the order product is missing.")
    return {"salesorderdetailid": str(uuid.uuid4()), **line}


def _total(order: Json) -> Decimal:
    return sum((_sum(line) for line in order["order_details"]), Decimal(0))


def _sum(line: Json) -> Decimal:
    amounts = {name: Decimal(str(line.get(name, 0))) for name in _MONEY}
    net = (amounts["quantity"] * amounts["priceperunit"] - amounts["manualdiscountamount"]).quantize(Decimal("0.01"))
    return net + amounts["tax"]


def _shown(order: Json) -> Json:
    shown = {name: value for name, value in order.items() if name != "etag"}
    return {"@odata.etag": f'W/"{order["etag"]}"', **shown, "totalamount": _total(order)}


def _line(order: Json) -> dict[str, Any]:
    """What the log says of a write."""
    told: dict[str, Any] = {"record": "salesorders", "external_id": order.get(KEY), "internal_id": order["salesorderid"]}
    return told | {"committed": True, "total": str(_total(order)), "version": str(order.get(VERSION, ""))}


def _unknown_path() -> Refusal:
    return Refusal(404, "0x8006088a", "Resource not found for the segment.")
