"""One real Tryton, the adapter on it through a proxy that can lose answers, and documents with keys of their own."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from adapters.erps.tryton.erp import Tryton
from adapters.erps.tryton.options import target_of
from adapters.http.caller import Caller
from adapters.http.client import Client
from adapters.throttle.base import Granted, Limit
from adapters.throttle.local import LocalThrottle
from tests.adapters.erps.tryton.documents import Desk
from tests.proxy import Proxy, proxy_to
from tests.tryton_erp import TrytonErp, tryton

__all__ = ["tryton"]

PERMIT = Granted("test", 40)


def speaking_to(erp: TrytonErp, url: str, **options: float) -> Tryton:
    """The adapter over real HTTP, with a throttle that never says no."""
    settings = erp.options(url, **options)
    client = Client(target_of("tryton", settings))
    throttle = LocalThrottle(Limit(concurrency=None))
    callers: Callable[[Granted], Caller] = lambda permit: Caller(client, throttle, permit)  # noqa: E731  a one-line factory
    return Tryton(settings, callers)


@pytest.fixture
def proxy(tryton: TrytonErp) -> Iterator[Proxy]:
    """A proxy in front of the ERP."""
    with proxy_to("127.0.0.1", urlsplit(tryton.url).port or 80) as running:
        yield running


@pytest.fixture
def erp(tryton: TrytonErp, proxy: Proxy) -> Tryton:
    """The adapter, through the proxy."""
    return speaking_to(tryton, f"{proxy.url}{urlsplit(tryton.url).path}")


@pytest.fixture
def desk(tryton: TrytonErp, request: pytest.FixtureRequest) -> Desk:
    """Documents of this test alone."""
    return Desk(tryton, request.node.name)
