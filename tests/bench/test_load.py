"""The load generator sends each webhook once, keeps its rate and its bounds, and stays on this machine."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.erp import ErpProcess
from bench.limits import Limits
from bench.load import pour
from bench.orders import order_id, webhooks


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    erp = ErpProcess(tmp_path, Limits(service_s=0.0))
    yield f"{erp.url}/in/shop"
    erp.stop()


@pytest.mark.parametrize("url", ["http://192.0.2.1/in", "https://127.0.0.1/in", "http://example.com/in"])
def test_it_refuses_any_host_but_loopback(url: str) -> None:
    with pytest.raises(ValueError, match=r"loopback|address"):
        pour(url, webhooks(0, 1))


def test_a_closed_loop_sends_every_webhook_once(url: str) -> None:
    poured = pour(url, webhooks(0, 300), connections=8)

    assert poured.statuses == {204: 300}
    assert sorted(poured.answered) == [order_id(number) for number in range(300)]
    assert 0 < poured.p50_ms <= poured.p99_ms <= poured.max_ms


def test_an_open_loop_keeps_the_given_rate(url: str) -> None:
    poured = pour(url, webhooks(0, 50), connections=4, rate_per_s=100)

    assert poured.accepted == 50
    assert poured.elapsed_s >= 0.49


def test_it_stops_when_its_time_is_over(url: str) -> None:
    began = time.monotonic()

    poured = pour(url, webhooks(0, 100_000), connections=2, rate_per_s=20, limit_s=0.3)

    assert time.monotonic() - began < 5
    assert 0 < poured.accepted < 100


def test_a_server_that_hangs_up_is_counted_as_such(tmp_path: Path) -> None:
    erp = ErpProcess(tmp_path, Limits(service_s=30.0))
    erp_url = f"{erp.url}/in/shop"
    import threading

    ending = threading.Timer(0.3, erp.stop)
    ending.start()
    poured = pour(erp_url, webhooks(0, 2), connections=2)
    ending.join()

    assert poured.statuses == {0: 2}
