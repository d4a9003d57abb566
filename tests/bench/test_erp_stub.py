"""The ERP stub accepts, refuses and finds by its limits, and its log is the witness."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import allowance
from bench.erp import ErpProcess
from bench.limits import Limits
from bench.load import pour
from bench.orders import order_id, webhooks

RECORD = "/services/rest/record/v1/salesOrder"


@pytest.fixture
def erp(tmp_path: Path) -> Iterator[ErpProcess]:
    process = ErpProcess(tmp_path, Limits(service_s=0.0))
    yield process
    process.stop()


def put(erp: ErpProcess, key: str, method: str = "PUT") -> int:
    request = urllib.request.Request(f"{erp.url}{RECORD}/eid:{key}", b"{}" if method == "PUT" else None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_posting_is_accepted_logged_and_found(erp: ErpProcess) -> None:
    assert put(erp, "A1") == 204
    assert put(erp, "A1", "GET") == 200
    assert put(erp, "B2", "GET") == 404
    assert erp.wait_for({"A1"}, within_s=30)
    assert [(one.status, one.key) for one in erp.postings()] == [(200, "A1")]


def test_the_key_of_a_plain_post_is_its_external_id(erp: ErpProcess) -> None:
    request = urllib.request.Request(f"{erp.url}{RECORD}", json.dumps({"externalId": "C3"}).encode(), method="POST")

    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.headers["Location"] == f"{RECORD}/1"

    assert erp.wait_for({"C3"}, within_s=30)


def test_a_doubled_posting_is_told_and_so_is_a_lost_one(erp: ErpProcess) -> None:
    put(erp, "A1")
    put(erp, "A1")

    put(erp, "C3")
    assert erp.wait_for({"C3"}, within_s=30)
    assert erp.verdict({"A1", "B2"}) == "1 lost, 1 doubled of 2"
    assert not erp.wait_for({"B2"}, within_s=0.05)


def test_calls_over_the_rate_are_refused_until_the_limit_is_lifted(erp: ErpProcess) -> None:
    erp.limit(Limits(service_s=0.0, rate_per_s=0.001, burst=10))
    answers = [put(erp, f"D{number}") for number in range(12)]

    assert answers == [204] * 10 + [429] * 2

    erp.limit(Limits(service_s=0.0))
    assert put(erp, "D11") == 204


def test_the_log_tells_the_limits_and_the_moment_a_call_was_let_in(tmp_path: Path) -> None:
    erp = ErpProcess(tmp_path, Limits(service_s=0.1, rate_per_s=50.0, burst=2, at_once=4))
    half = Limits(service_s=0.1, rate_per_s=25.0, burst=1, at_once=2)
    try:
        put(erp, "A1")
        put(erp, "A1", "GET")
        erp.limit(half)
        put(erp, "B2")
        assert erp.wait_for({"B2"}, within_s=30)
    finally:
        erp.stop()

    assert [(one.method, one.status) for one in erp.requests()] == [("PUT", 200), ("GET", 200), ("PUT", 200)]
    assert all(one.at_s - one.admitted_s >= 0.1 for one in erp.requests())
    assert [change.limits for change in erp.changes()] == [Limits(0.1, 50.0, 2, 4), half]
    assert erp.requests()[1].at_s <= erp.changes()[1].at_s <= erp.requests()[2].admitted_s


def test_no_more_is_let_in_than_the_log_says_was_allowed(erp: ErpProcess) -> None:
    erp.limit(Limits(service_s=0.0, rate_per_s=50.0, burst=50))
    pour(f"{erp.url}{RECORD}", webhooks(0, 100_000), connections=4, limit_s=1.0)
    requests, changes = erp.requests(), erp.changes()
    start_s, end_s = requests[0].admitted_s, requests[-1].admitted_s

    assert allowance.refused(requests, start_s, end_s) > 0
    let_in = sum(one.status != 429 for one in requests)
    could_s = allowance.allowed(requests, changes, start_s, end_s)
    assert could_s - 2 <= let_in <= could_s + 1e-6


def test_an_order_that_is_still_with_its_system_is_not_lost(erp: ErpProcess) -> None:
    put(erp, "A1")
    assert erp.wait_for({"A1"}, within_s=30)

    assert erp.verdict({"A1", "B2"}, left={"B2"}) == ""
    assert erp.verdict({"A1", "B2"}) == "1 lost, 0 doubled of 2"


def test_more_calls_at_once_than_allowed_are_refused(tmp_path: Path) -> None:
    erp = ErpProcess(tmp_path, Limits(service_s=0.1, at_once=4))
    try:
        poured = pour(f"{erp.url}{RECORD}", webhooks(0, 16), connections=8)
    finally:
        erp.stop()

    assert poured.statuses[429] >= 4
    assert poured.accepted >= 4


def test_a_call_takes_the_service_time(tmp_path: Path) -> None:
    erp = ErpProcess(tmp_path, Limits(service_s=0.05))
    began = time.monotonic()
    try:
        poured = pour(f"{erp.url}{RECORD}/eid:{order_id(0)}", webhooks(0, 1), connections=1)
    finally:
        erp.stop()

    assert poured.accepted == 1
    assert poured.p50_ms >= 50
    assert time.monotonic() - began >= 0.05
