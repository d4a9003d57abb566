"""A sandbox ERP in a process of its own with the NetSuite adapter before it, and documents with keys of their own."""

import itertools
import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.erps.base import Account, BatchErp, Posting, References, Undone
from adapters.erps.netsuite.adapter import build_netsuite
from adapters.erps.netsuite.keys import authorization_key, credit_key, fulfilment_key, order_key, receipt_key
from adapters.http.caller import Caller
from adapters.http.client import Client
from adapters.throttle.base import Ask, Granted, Limit
from adapters.throttle.local import LocalThrottle
from canonical.operation import Operation
from canonical.order import Charge, Order, OrderLine, Tax
from canonical.outcome import Finding, Outcome
from canonical.party import Address, Party
from canonical.returns import Return, ReturnLine
from canonical.shipment import Shipment, ShipmentLine
from tests.adapters.erps.bench import Document
from tests.live import wait_until
from workers.sandbox.journal import Entry, entries

TOKEN = "a-token-of-the-tests"
OPTIONS: dict[str, str | int | float | bool] = {"guest_customer": "110", "location": "1", "adjustment_item": "96"}
REFERENCES = References({"item": {"SKU-1": "501", "SKU-2": "502"}, "charge": {"tip": "93"}, "tax": {"State Tax": "5"}})
SOURCE = "shopify-eu"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERMIT_CALLS = 40

_PROGRAM = """
import sys
from pathlib import Path
from workers.sandbox.serve import serve
serve("127.0.0.1", int(sys.argv[1]), log_path=Path(sys.argv[2]), token=sys.argv[3])
"""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox process: where it listens and where it writes its log."""

    url: str
    log_path: Path

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Speak to its control interface."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)


@contextmanager
def running_sandbox(folder: Path) -> Iterator[RunningSandbox]:
    """A sandbox for the time of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sandbox = RunningSandbox(f"http://127.0.0.1:{port}", folder / "erp.jsonl")
    words = [sys.executable, "-c", _PROGRAM, str(port), str(sandbox.log_path), TOKEN]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(sandbox) or process.poll() is not None, 30, "the sandbox")
        yield sandbox
    finally:
        process.terminate()
        process.wait(10)


def _line(key: str, sku: str, quantity: int, price: str, **more: Any) -> OrderLine:
    return OrderLine(key=key, sku=sku, quantity=quantity, unit_price=Decimal(price), **more)


def _answers(sandbox: RunningSandbox) -> bool:
    try:
        return bool(sandbox.control("GET", "stats"))
    except OSError:
        return False


@dataclass
class NetSuiteBench:
    """The adapter on a running sandbox."""

    sandbox: RunningSandbox
    options: dict[str, str | int | float | bool] = field(default_factory=lambda: dict(OPTIONS))
    secret: str = TOKEN
    references: References = REFERENCES
    spent: int = 0
    cannot: frozenset[Operation] = frozenset()

    def __post_init__(self) -> None:
        self.account = Account("sandbox", self.sandbox.url, self.secret, 2.0, 1.0, self.options)
        self.erp = build_netsuite(self.account)
        self.client = Client(self.erp.http)

    def order(self, **more: Any) -> Order:
        """Three pieces discounted, one plain, shipping, taxes: 42.83 in all unless told otherwise."""
        key = f"o{next(_numbers)}"
        first = (Tax(title="State Tax", rate=Decimal("0.08"), amount=Decimal("2.37")),)
        lines = (
            _line("L1", "SKU-1", 3, "10.99", title="Lamp", discount=Decimal("3.30"), taxes=first),
            _line("L2", "SKU-2", 1, "5.00", taxes=(Tax(title="Local", amount=Decimal("0.40")),)),
        )
        told: dict[str, Any] = {
            "number": f"#{key}",
            "currency": "USD",
            "lines": lines,
            "charges": (Charge(code="shipping", price=Decimal("4.99"), taxes=(Tax(title="State Tax", amount=Decimal("0.40")),)),),
            "total_tax": Decimal("3.17"),
            "total": Decimal("42.83"),
            "customer": Party(name="Grace Example"),
            "shipping": Address(name="Grace Example", line1="1 Main St", city="Springfield", country="US"),
        }
        return Order(source=SOURCE, key=key, as_of=NOW, placed_at=NOW, **{**told, **more})

    def changed(self, order: Order) -> Order:
        first = order.lines[0].model_copy(update={"quantity": 2, "discount": Decimal("2.20"), "taxes": ()})
        taxes = order.total_tax - order.lines[0].tax
        total = first.net + order.lines[1].net + order.charges[0].net + taxes
        return order.model_copy(update={"lines": (first, order.lines[1]), "total_tax": taxes, "total": total})

    def cancelled(self, order: Order) -> Order:
        return order.model_copy(update={"status": "cancelled"})

    def shipment(self, order: Order, **more: Any) -> Shipment:
        told: dict[str, Any] = {
            "lines": (
                ShipmentLine(order_line="L1", sku="SKU-1", quantity=2),
                ShipmentLine(order_line="L2", sku="SKU-2", quantity=1),
            ),
            "tracking_numbers": ("1Z-1",),
            "carrier": "UPS",
        }
        key = f"s{next(_numbers)}"
        return Shipment(source=SOURCE, key=key, as_of=NOW, order_key=order.key, shipped_at=NOW, **{**told, **more})

    def tracked(self, shipment: Shipment) -> Shipment:
        return shipment.model_copy(update={"tracking_numbers": (*shipment.tracking_numbers, "1Z-2")})

    def refund(self, order: Order, shipment: Shipment, **more: Any) -> Return:
        line = ReturnLine(order_line="L1", sku="SKU-1", quantity=1, net=Decimal("9.89"), tax=Decimal("0.79"))
        told: dict[str, Any] = {
            "lines": (line,),
            "shipping_refund": Decimal("2.00"),
            "total": Decimal("12.68"),
            "currency": "USD",
        }
        key = f"r{next(_numbers)}"
        return Return(source=SOURCE, key=key, as_of=NOW, order_key=order.key, returned_at=NOW, **{**told, **more})

    def posting(self, operation: Operation, document: Document, version: int = 1, *, order: Order | None = None) -> Posting:
        return Posting(1, operation, version, document, order, self.references, None, 1, "correlation-1")

    def caller(self, calls: int = PERMIT_CALLS) -> Caller:
        # A limiter of its own for each posting: what one answer taught would hold up the next one.
        throttle = LocalThrottle(Limit(burst=PERMIT_CALLS))
        permit = throttle.acquire(Ask(calls))
        assert isinstance(permit, Granted)
        return Caller(self.client, throttle, permit)

    def post(self, operation: Operation, document: Document, version: int = 1, *, order: Order | None = None) -> Outcome:
        with self.caller() as caller:
            outcome = self.erp.post(self.posting(operation, document, version, order=order), caller)
            self.spent = PERMIT_CALLS - caller.unspent
        return outcome

    def post_batch(self, *orders: Order) -> Sequence[Outcome | Undone]:
        """Create orders together; the requests it took are counted in ``spent``."""
        assert isinstance(self.erp, BatchErp)
        with self.caller() as caller:
            outcomes = self.erp.post_batch([self.posting("order.create", order, order=order) for order in orders], caller)
            self.spent = PERMIT_CALLS - caller.unspent
        return outcomes

    def find(self, operation: Operation, document: Document, version: int = 1, *, order: Order | None = None) -> Finding:
        with self.caller() as caller:
            return self.erp.find(self.posting(operation, document, version, order=order), caller)

    def lose_answer(self, number: int) -> None:
        # The first matching fault strikes: as many harmless slow answers go before as writes are to be spared.
        spared = [{"kind": "slow_answer", "operation": "write", "wait_s": 0, "next": 1} for _ in range(number - 1)]
        self.arm(*spared, {"kind": "lost_answer", "operation": "write", "next": 1})

    def lost(self) -> bool:
        listing = self.sandbox.control("GET", "faults")["faults"]
        self.disarm()
        return any(fault["kind"] == "lost_answer" and fault["hits"] for fault in listing)

    def effects(self, document: Document) -> int:
        return len({(entry.record, entry.internal_id) for entry in self.commits(document)})

    def commits(self, document: Document) -> list[Entry]:
        """Committed writes of the document's records, in order."""
        source, key = document.source, document.key
        names = {
            "order": {("salesOrder", order_key(source, key))},
            "shipment": {("itemFulfillment", fulfilment_key(source, key))},
            "return": {
                ("returnAuthorization", authorization_key(source, key)),
                ("itemReceipt", receipt_key(source, key)),
                ("creditMemo", credit_key(source, key)),
            },
        }[document.kind]
        return [e for e in self.log() if e.committed and (e.record, e.external_id) in names]

    def log(self) -> list[Entry]:
        """The sandbox's own log."""
        return list(entries(self.sandbox.log_path))

    def arm(self, *faults: dict[str, object]) -> None:
        self.sandbox.control("POST", "faults", list(faults))

    def disarm(self) -> None:
        self.sandbox.control("DELETE", "faults")

    def with_options(self, **options: str | float | bool) -> "NetSuiteBench":
        """The same sandbox, another configuration."""
        return replace(self, options={**self.options, **options})
