"""One real Tryton, the adapter on it through a proxy that can lose answers, and documents with keys of their own."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from adapters.erps.base import Account, Posting
from adapters.erps.tryton.adapter import build_tryton
from adapters.http.caller import Caller
from adapters.http.client import Client
from adapters.throttle.base import Ask, Granted, Limit
from adapters.throttle.local import LocalThrottle
from canonical.outcome import Finding, Outcome, Uncertain
from tests.adapters.erps.tryton.documents import Desk
from tests.proxy import Proxy, proxy_to
from tests.tryton_erp import TrytonErp, tryton

__all__ = ["tryton"]


class Line:
    """The adapter on a line of its own: real HTTP, and a throttle that never says no."""

    def __init__(self, account: Account) -> None:
        self.erp = build_tryton(account)
        self.calls = self.erp.calls
        self._client = Client(self.erp.http)

    def post(self, posting: Posting) -> Outcome:
        with self.caller() as caller:
            return self.erp.post(posting, caller)

    def find(self, posting: Posting) -> Finding:
        with self.caller() as caller:
            return self.erp.find(posting, caller)

    def caller(self) -> Caller:
        """A way out with a permit of its own."""
        throttle = LocalThrottle(Limit())
        permit = throttle.acquire(Ask(1))
        assert isinstance(permit, Granted)
        return Caller(self._client, throttle, permit)


def lose_every_answer(line: Line, posting: Posting, proxy: Proxy) -> tuple[Outcome, int]:
    """Post until it is no longer in doubt, while the answer to the first change of every attempt is lost. So each change
    of the chain loses its answer once. Returns the last outcome and how many answers were lost.
    """
    for lost in range(20):
        proxy.begin({1: "drop_answer_after_commit"}, changes_only=True)
        outcome = line.post(replace(posting, attempt=lost + 1))
        if not isinstance(outcome, Uncertain):
            return outcome, lost
    raise AssertionError("the chain does not come to an end")


@pytest.fixture
def proxy(tryton: TrytonErp) -> Iterator[Proxy]:
    """A proxy in front of the ERP."""
    with proxy_to("127.0.0.1", urlsplit(tryton.url).port or 80) as running:
        yield running


@pytest.fixture
def erp(tryton: TrytonErp, proxy: Proxy) -> Line:
    """The adapter, through the proxy."""
    return Line(tryton.account(f"{proxy.url}{urlsplit(tryton.url).path}"))


@pytest.fixture
def desk(tryton: TrytonErp, request: pytest.FixtureRequest) -> Desk:
    """Documents of this test alone."""
    return Desk(tryton, request.node.name)
