"""The example channel and ERP of the pages keep the contracts they are made for."""

import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest

from adapters.channels import registry
from adapters.channels.base import Inbound, Parsed
from adapters.erps.base import Account, Erp, Need, Posting, References
from adapters.http.caller import Caller
from adapters.http.client import Client
from adapters.throttle.base import Ask, Granted, Limit
from adapters.throttle.local import LocalThrottle
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Rejected, Throttled, Unavailable, Uncertain
from config.nearest import ConfigError
from tests.adapters.channels import requests, test_contract
from tests.adapters.channels.requests import NOW, Sent
from tests.docs.pages import page
from tests.documents import an_order

KIND = "till"
CONTRACT = [
    test
    for name, test in vars(test_contract).items()
    if name.startswith("test_") and any(mark.args[0] == "kind" for mark in getattr(test, "pytestmark", ()))
]


def module_of(name: str, blocks: list[str]) -> ModuleType:
    """The code blocks of a page as one module."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(compile("\n".join(blocks), f"<{name}>", "exec"), vars(made))
    return made


@pytest.fixture
def till(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's channel, registered as the page says."""
    example = page("docs/add-a-channel.md")
    made = module_of("docs_till", example.blocks("python")[:2])
    receipt = example.blocks("json")[0].encode()
    known = {**registry.CHANNELS, KIND: made.Till()}
    elsewhere: Callable[..., Sent] = requests.sent

    def sent(kind: str, body: bytes | None = None, *, secret: bytes | None = None, event: str = "ev-1") -> Sent:
        if kind != KIND:
            return elsewhere(kind, body, secret=secret, event=event)
        content, key = receipt if body is None else body, secret or requests.SECRETS[KIND]
        headers = made.sent_by_till(content, key, event)
        return Sent(Inbound("till-eu", headers, content, NOW), key, made.SIGNATURE)

    for place in (requests, test_contract, registry):
        monkeypatch.setattr(place, "CHANNELS", known)
    monkeypatch.setitem(requests.SECRETS, KIND, b"till-secret")
    monkeypatch.setitem(requests.OTHER_SECRETS, KIND, b"another-one")
    monkeypatch.setitem(requests.TOPICS, KIND, "receipt")
    monkeypatch.setattr(test_contract, "sent", sent)
    monkeypatch.setattr(test_contract, "example", lambda kind: receipt)
    return made


def cases(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """The other parameters of a test of the contract suite."""
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize" and mark.args[0] != "kind"]
    if not marks:
        yield {}
        return
    (mark,) = marks
    for value in mark.args[1]:
        yield {mark.args[0]: value}


@pytest.mark.parametrize("test", CONTRACT, ids=lambda test: test.__name__)
def test_the_example_channel_keeps_the_contract(till: ModuleType, test: Callable[..., None]) -> None:
    assert till.Till
    for case in cases(test):
        test(kind=KIND, **case)


def test_the_contract_suite_was_found() -> None:
    assert len(CONTRACT) > 15
    assert all("kind" in inspect.signature(test).parameters or hasattr(test, "hypothesis") for test in CONTRACT)


def test_the_example_channel_reads_its_receipt(till: ModuleType) -> None:
    parsed = requests.parse(KIND, page("docs/add-a-channel.md").blocks("json")[0].encode())

    assert isinstance(parsed, Parsed)
    (order,) = parsed.documents
    assert isinstance(order, Order)
    assert (order.kind, order.source, order.key, [line.sku for line in order.lines]) == (
        "order", "till-eu", "K1-20261127-0007", ["SKU-0001"],
    )  # fmt: skip


@dataclass
class Books:
    """An ERP that takes documents by PUT, and what it is to do next instead."""

    effects: dict[str, Any] = field(default_factory=dict)
    writes: int = 0
    next_answers: list[int | str] = field(default_factory=list)


@contextmanager
def an_erp() -> Iterator[tuple[str, Books]]:
    account = Books()

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200 if self.path in account.effects else 404)

        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            planned = account.next_answers.pop(0) if account.next_answers else None
            if isinstance(planned, int):
                return self.answer(planned)
            if planned != "lost before":
                new = account.effects.setdefault(self.path, body) is body
                account.writes += new
            if planned is not None:
                self.close_connection = True
                return None
            return self.answer(201 if new else 200)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", account
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tally() -> Iterator[tuple[Erp, Books, Caller]]:
    build = module_of("docs_tally", page("docs/add-an-erp.md").blocks("python")[:1]).build_tally
    with an_erp() as (url, account):
        erp: Erp = build(Account("tally", url, "a-token", 60.0, 5.0))
        client = Client(erp.http)
        throttle = LocalThrottle(Limit())
        permit = throttle.acquire(Ask(1))
        assert isinstance(permit, Granted)
        with Caller(client, throttle, permit) as caller:
            yield erp, account, caller
        client.close()


def a_posting(version: int = 1) -> Posting:
    return Posting(7, "order.create", version, an_order(), None, References(), None, 1, "c-1")


def test_the_example_erp_posts_once(tally: tuple[Erp, Books, Caller]) -> None:
    erp, account, caller = tally

    first, second = erp.post(a_posting(), caller), erp.post(a_posting(), caller)

    assert isinstance(first, Done)
    assert second == AlreadyDone(first.remote_id)
    assert account.writes == 1
    assert erp.needs(an_order()) == (Need("item", "SKU-0001"),)


@pytest.mark.parametrize(("lost", "found"), [("lost before", False), ("lost after", True)])
def test_the_example_erp_knows_what_it_does_not_know(tally: tuple[Erp, Books, Caller], lost: str, found: bool) -> None:
    erp, account, caller = tally
    account.next_answers = [lost]

    assert isinstance(erp.post(a_posting(), caller), Uncertain)
    assert isinstance(erp.find(a_posting(), caller), AlreadyDone if found else Absent)
    erp.post(a_posting(), caller)
    assert account.writes == 1


@pytest.mark.parametrize(("status", "outcome"), [(429, Throttled), (503, Unavailable), (422, Rejected), (500, Uncertain)])
def test_the_example_erp_tells_refusals_apart(tally: tuple[Erp, Books, Caller], status: int, outcome: type) -> None:
    erp, account, caller = tally
    account.next_answers = [status]

    assert isinstance(erp.post(a_posting(), caller), outcome)


def test_the_example_erp_checks_its_options() -> None:
    build = module_of("docs_tally", page("docs/add-an-erp.md").blocks("python")[:1]).build_tally

    with pytest.raises(ConfigError, match="unknown option"):
        build(Account("tally", "http://127.0.0.1:1", "a-token", 60.0, 5.0, {"shop": 1}))
