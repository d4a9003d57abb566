"""A sandbox company in a process of its own with the Business Central adapter before it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.erps.base import Account, References
from adapters.erps.business_central.adapter import build_business_central
from adapters.erps.business_central.keys import order_key, return_key
from adapters.http.client import Client
from canonical.operation import Operation
from canonical.shipment import Shipment
from tests.adapters.erps.bench import Document
from tests.adapters.erps.netsuite.account import TOKEN, NetSuiteBench, RunningSandbox
from tests.live import wait_until
from workers.sandbox.business_central.service import COMPANY
from workers.sandbox.journal import Entry

OPTIONS: dict[str, str | int | float | bool] = {
    "company": COMPANY,
    "auth": "bearer",
    "guest_customer": "10000",
    "charge_account": "6120",
    "adjustment_account": "6910",
    "tax_account": "5610",
    "tax_code": "NONTAXABLE",
    "tracking": "ignore",
}
REFERENCES = References({"item": {"SKU-1": "70001", "SKU-2": "70002"}})


@contextmanager
def running_service(service: str, folder: Path) -> Iterator[RunningSandbox]:
    """A sandbox of an OData service for the time of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sandbox = RunningSandbox(f"http://127.0.0.1:{port}", folder / "erp.jsonl")
    words = [sys.executable, "-m", "workers.sandbox.odata", service, "--port", str(port)]
    process = subprocess.Popen([*words, "--log", str(sandbox.log_path), "--token", TOKEN], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(sandbox) or process.poll() is not None, 30, "the sandbox")
        yield sandbox
    finally:
        process.terminate()
        process.wait(10)


def _answers(sandbox: RunningSandbox) -> bool:
    try:
        return bool(sandbox.control("GET", "stats"))
    except OSError:
        return False


@dataclass
class BusinessCentralBench(NetSuiteBench):
    """The same documents, before a company of Business Central."""

    options: dict[str, str | int | float | bool] = field(default_factory=lambda: dict(OPTIONS))
    references: References = REFERENCES
    cannot: frozenset[Operation] = frozenset({"shipment.update"})

    def __post_init__(self) -> None:
        self.account = Account("company", self.sandbox.url, self.secret, 2.0, 5.0, self.options)
        self.erp = build_business_central(self.account)
        self.client = Client(self.erp.http)

    def commits(self, document: Document) -> list[Entry]:
        source, key = document.source, document.key
        if isinstance(document, Shipment):
            wanted = ("salesShipments", order_key(source, document.order_key))
        else:
            wanted = (
                ("salesOrders", order_key(source, key))
                if document.kind == "order"
                else ("salesCreditMemos", return_key(source, key))
            )
        return [entry for entry in self.log() if entry.committed and (entry.record, entry.external_id) == wanted]

    def with_options(self, **options: str | float | bool) -> "BusinessCentralBench":
        return replace(self, options={**self.options, **options})
