"""Tryton's REST dialect: values with a class, search domains and the context in base64, requests and their paths."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

Values = Mapping[str, Any]
Domain = Sequence[Any]


SALE = "sale.sale"
SHIPMENT = "stock.shipment.out"
RETURN = "stock.shipment.out.return"
INVOICE = "account.invoice"
NOTE = "ir.note"

NAMES = {SALE: "sale", SHIPMENT: "shipment", RETURN: "return", INVOICE: "invoice", NOTE: "note"}


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``name`` is for telemetry; ``expects`` are the states the answer should show; ``tells`` says that the
    answer is the state the chain reads; ``unless`` is a search that makes the call needless when it finds something.
    """

    name: str
    method: Literal["GET", "POST", "PUT"]
    model: str
    id: int | None = None
    action: str | None = None
    values: Values | None = None
    fields: tuple[str, ...] = ()
    domain: Domain | None = None
    context: str | None = None
    expects: frozenset[str] = frozenset()
    tells: bool = False
    unless: "Request | None" = None

    @property
    def path(self) -> str:
        """Path under the database's URL."""
        parts = [
            "",
            "rest",
            "model",
            self.model,
            *([] if self.id is None else [str(self.id)]),
            *([self.action] if self.action else []),
        ]
        return "/".join(parts)

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The fields to answer with, and the search domain."""
        asked = tuple(("f", name) for name in self.fields)
        return asked if self.domain is None else (*asked, ("d", _encoded(self.domain)))

    @property
    def body(self) -> bytes:
        """The values as JSON; an action takes an empty object."""
        return b"" if self.method == "GET" else json.dumps(self.values or {}).encode()


def act(
    model: str, record: int, action: str, *expects: str, fields: tuple[str, ...] = ("state",), tells: bool = False
) -> Request:
    """Press a button of one record."""
    name = f"{NAMES[model]}.{action}"
    return Request(name, "POST", model, record, action, fields=fields, expects=frozenset(expects), tells=tells)


def decimal(amount: Decimal) -> Values:
    """A Decimal as Tryton writes it."""
    return {"__class__": "Decimal", "decimal": f"{amount:f}"}


def day(moment: date) -> Values:
    """A date as Tryton writes it."""
    return {"__class__": "date", "year": moment.year, "month": moment.month, "day": moment.day}


def amount_in(value: Any) -> Decimal:
    """The Decimal in an answer, 0 for none."""
    return Decimal(value["decimal"]) if isinstance(value, dict) else Decimal(0)


def context_of(company: int, **more: bool) -> str:
    """Value of X-Tryton-Context. Without a company prices are null and some actions answer 500."""
    return _encoded({"company": company, **more})


def _encoded(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()
