"""The Dataverse adapter before a sandbox environment in a process of its own, healthy before every test."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from adapters.erps.base import Account, References
from adapters.erps.dataverse.adapter import build_dataverse
from adapters.erps.dataverse.sales import order_key
from adapters.http.client import Client
from canonical.operation import Operation
from tests.adapters.erps.bench import Document
from tests.adapters.erps.business_central.company import running_service
from tests.adapters.erps.netsuite.account import NetSuiteBench, RunningSandbox
from workers.sandbox.dataverse.service import ACCOUNT, PRICE_LIST, PRODUCTS, UNIT
from workers.sandbox.journal import Entry

OPTIONS: dict[str, str | int | float | bool] = {
    "auth": "bearer",
    "guest_account": ACCOUNT,
    "price_list": PRICE_LIST,
    "unit": UNIT,
    "currency": "USD",
}
REFERENCES = References({"item": {"SKU-1": PRODUCTS[0], "SKU-2": PRODUCTS[1]}})
DOCUMENTED = {"concurrency": 52, "queue": 0, "window_calls": 6000, "window_s": 300, "token_ttl_s": 3600}


@dataclass
class DataverseBench(NetSuiteBench):
    """The same documents, before an environment of Dataverse."""

    options: dict[str, str | int | float | bool] = field(default_factory=lambda: dict(OPTIONS))
    references: References = REFERENCES
    cannot: frozenset[Operation] = frozenset({"shipment.create", "shipment.update", "return.create"})

    def __post_init__(self) -> None:
        self.account = Account("environment", self.sandbox.url, self.secret, 2.0, 5.0, self.options)
        self.erp = build_dataverse(self.account)
        self.client = Client(self.erp.http)

    def commits(self, document: Document) -> list[Entry]:
        wanted = ("salesorders", order_key(document.source, document.key))
        return [entry for entry in self.log() if entry.committed and (entry.record, entry.external_id) == wanted]

    def with_options(self, **options: str | float | bool) -> "DataverseBench":
        return replace(self, options={**self.options, **options})


@pytest.fixture(scope="session")
def dataverse_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox in a process of its own."""
    with running_service("dataverse", tmp_path_factory.mktemp("dataverse")) as sandbox:
        yield sandbox


@pytest.fixture
def dataverse_bench(dataverse_sandbox: RunningSandbox) -> Iterator[DataverseBench]:
    """The adapter before it."""
    dataverse_sandbox.control("DELETE", "faults")
    dataverse_sandbox.control("PATCH", "limits", DOCUMENTED)
    yield DataverseBench(dataverse_sandbox)
    dataverse_sandbox.control("DELETE", "faults")
    dataverse_sandbox.control("PATCH", "limits", DOCUMENTED)
