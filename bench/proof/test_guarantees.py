"""All contenders keep the guarantees they are measured under: each order once, none unsigned, failures to the dead letters.

Run by `make bench` before it measures: the peers are installed for it only.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pika  # type: ignore[import-untyped]  # ships no types
import pytest

from bench.erp import ErpProcess
from bench.fleet_file import POOLS
from bench.limits import Limits
from bench.load import pour
from bench.millrace import Millrace
from bench.orders import Webhook, order_id, signature, webhooks
from bench.peer import Peer, peers
from bench.services import Services, Site

DEAD = {
    "celery": "peer.celery.dead",
    "dramatiq": "peer.dramatiq.XQ",
    "taskiq": "peer.taskiq.dead",
    "faststream": "peer.faststream.dead",
}

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


def waiting(services: Services, queue: str) -> int:
    with pika.BlockingConnection(pika.URLParameters(services.amqp_url)) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


def unsigned(url: str) -> int:
    request = urllib.request.Request(url, b"{}", {"X-Shopify-Hmac-Sha256": "AAAA", "X-Shopify-Event-Id": "x"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    caught.value.close()
    return caught.value.code


@pytest.mark.parametrize("peer", peers(), ids=lambda peer: peer.name)
def test_a_peer_posts_each_order_once_and_keeps_what_it_cannot_read(peer: Peer, site: Site, tmp_path: Path) -> None:
    services = site.fresh(peer.name)
    erp = ErpProcess(tmp_path, Limits(0.0))
    body = b'{"no": "order"}'
    broken = Webhook(0, (("X-Shopify-Event-Id", "ev-broken"), ("X-Shopify-Hmac-Sha256", signature(body))), body)
    try:
        url = peer.start_intake(services, erp.url)
        poured = pour(url, [broken, *webhooks(0, 20)])
        repeated = pour(url, webhooks(0, 20))
        refused = unsigned(url)
        peer.start_workers(services, erp.url)
        keys = {str(order) for order in repeated.answered}
        posted = erp.wait_for(keys, 60)
        deadline = time.monotonic() + 20
        while not (dead := waiting(services, DEAD[peer.name])) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        peer.stop()
        erp.stop()
        site.drop(peer.name)

    assert poured.accepted == 21
    assert refused == 401
    assert posted
    assert erp.verdict(keys) == ""
    assert dead == 1


@pytest.mark.parametrize("pools", POOLS)
def test_millrace_posts_each_order_once_from_webhooks_and_from_a_laid_backlog(pools: str, site: Site, tmp_path: Path) -> None:
    millrace = Millrace(pools=pools, slots=4)
    services = site.fresh(f"millrace-{pools}")
    erp = ErpProcess(tmp_path, Limits(0.0))
    try:
        url = millrace.start_intake(services, erp.url)
        millrace.take_sample(services, url, 900)
        pour(url, webhooks(0, 20))
        repeated = pour(url, webhooks(0, 20))
        refused = unsigned(url)
        millrace.lay(services, 20, 200)
        millrace.start_workers(services, erp.url)
        keys = {str(order_id(number)) for number in [*range(220), 900]}
        posted = erp.wait_for(keys, 60)
    finally:
        millrace.stop()
        erp.stop()
        site.drop(f"millrace-{pools}")

    assert repeated.accepted == 20
    assert refused == 401
    assert posted
    assert erp.verdict(keys) == ""
