"""The sandbox's limits are exact, its faults strike as told, its tokens end."""

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.sandbox_account import ORDER, RECORD, TOKEN, Account, served
from workers.local.service import free_port
from workers.sandbox.faults import Fault, Faults
from workers.sandbox.limits import Gate, Limits


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "log.jsonl")


@given(rate=st.floats(0.5, 200), burst=st.integers(1, 50), gaps=st.lists(st.floats(0, 0.5), max_size=200))
def test_no_window_ever_admits_more_than_rate_and_burst(rate: float, burst: int, gaps: list[float]) -> None:
    now = 0.0
    gate = Gate(Limits(concurrency=None, rate_per_s=rate, burst=burst), lambda: now)
    admitted = []
    for gap in gaps:
        now += gap
        if gate.enter() == "admitted":
            admitted.append(now)
            gate.leave()

    for n, start in enumerate(admitted):
        for m, end in enumerate(admitted[n:], 1):
            assert m <= burst + rate * (end - start) + 1e-6


def test_the_concurrency_limit_is_exact_and_the_most_seen_is_told(tmp_path: Path) -> None:
    account = Account(tmp_path / "log.jsonl", Limits(concurrency=5, service_time_ms=30))

    async def burst() -> list[int]:
        replies = await asyncio.gather(*(account.ask("PUT", f"salesOrder/eid:A{n}", ORDER) for n in range(12)))
        return [reply.status for reply in replies]

    statuses = asyncio.run(burst())

    assert (statuses.count(204), statuses.count(429)) == (5, 7)
    stats = account.call("GET", "/sandbox/stats").json
    assert (stats["max_concurrent"], stats["max_concurrent_offered"], stats["throttled"], stats["commits"]) == (5, 6, 7, 5)
    assert sum(entry.throttled for entry in account.log()) == 7


def test_over_the_rate_limit_a_hint_or_a_failed_login_may_be_told(tmp_path: Path) -> None:
    account = Account(tmp_path / "log.jsonl", Limits(rate_per_s=0.001, burst=1, retry_after_s=7))
    assert account.call("GET", "salesOrder/1").status == 404

    assert account.call("GET", "salesOrder/1").headers["retry-after"] == "7"
    changed = account.call("PATCH", "/sandbox/limits", {"over_limit_as_401": True}).json
    assert changed["over_limit_as_401"] is True
    assert account.call("GET", "salesOrder/1").status == 404  # changed limits start with a full bucket
    assert account.call("GET", "salesOrder/1").code == "INVALID_LOGIN"
    assert account.call("GET", "/sandbox/stats").json["budget_used"] > 0


def test_a_token_is_given_ends_and_can_be_revoked(tmp_path: Path) -> None:
    account = Account(tmp_path / "log.jsonl", Limits(token_ttl_s=60))
    where = "/services/rest/auth/oauth2/v1/token"
    assert account.call("POST", where, b"grant_type=password").status == 400
    told = account.call("POST", where, b"grant_type=client_credentials").json
    bearer = f"Bearer {told['access_token']}"

    assert account.call("GET", "salesOrder/1", authorization=bearer).status == 404
    account.call("POST", "/sandbox/tokens/revoke")
    assert account.call("GET", "salesOrder/1", authorization=bearer).code == "INVALID_LOGIN"


@pytest.mark.parametrize(
    ("fault", "status", "committed"),
    [
        ({"kind": "outage", "retry_after_s": 3}, 503, False),
        ({"kind": "error_500"}, 500, False),
        ({"kind": "html_200"}, 200, False),
        ({"kind": "empty_200"}, 200, False),
        ({"kind": "empty_200", "commits": True}, 200, True),
        ({"kind": "truncated"}, 200, True),
        ({"kind": "unauthorized"}, 401, False),
        ({"kind": "poison", "external_id": "A1"}, 400, False),
        ({"kind": "late_answer", "wait_s": 0.01}, 204, True),
        ({"kind": "slow_answer", "wait_s": 0.01}, 204, True),
    ],
)
def test_a_fault_strikes_once_and_is_counted(account: Account, fault: dict[str, Any], status: int, committed: bool) -> None:
    account.call("POST", "/sandbox/faults", fault | {"next": 1, "operation": "salesOrder.*"})

    reply = account.call("PUT", "salesOrder/eid:A1", ORDER)

    assert (reply.status, account.log()[-1].committed) == (status, committed)
    assert account.log()[-1].fault == fault["kind"]
    assert account.call("GET", "salesOrder/eid:A1").status == (200 if committed else 404)
    assert account.call("GET", "/sandbox/faults").json["faults"][0]["hits"] == 1
    assert account.call("GET", "/sandbox/stats").json["faults"] == {fault["kind"]: 1}


def test_a_late_commit_is_absent_after_the_504_and_there_later(account: Account) -> None:
    async def story() -> tuple[int, int, int]:
        account.arm(kind="late_commit", next=1, wait_s=0.05)
        first = await account.ask("PUT", "salesOrder/eid:A1", ORDER)
        at_once = await account.ask("GET", "salesOrder/eid:A1")
        await asyncio.wait_for(asyncio.gather(*account.app._later), 5)
        return first.status, at_once.status, (await account.ask("GET", "salesOrder/eid:A1")).status

    assert asyncio.run(story()) == (504, 404, 200)
    assert [(e.committed, e.late) for e in account.log() if e.method == "PUT"] == [(False, False), (True, True)]


def test_a_poisoned_key_alone_is_refused_until_disarmed(account: Account) -> None:
    account.arm(kind="poison", external_id="A1")

    assert account.call("POST", "salesOrder", ORDER | {"externalId": "A1"}).status == 400
    assert account.call("POST", "salesOrder", ORDER | {"externalId": "A2"}).status == 204
    assert account.call("DELETE", "/sandbox/faults").json == {"disarmed": 1}
    assert account.call("POST", "salesOrder", ORDER | {"externalId": "A1"}).status == 204


def test_a_window_opens_and_closes() -> None:
    clock = [0.0]
    faults = Faults(lambda: clock[0])
    faults.arm(Fault(kind="outage", operation="write", after_s=10, for_s=5))

    def struck(at: float) -> bool:
        clock[0] = at
        return faults.strike("salesOrder.upsert", frozenset(), writes=True) is not None

    assert [struck(at) for at in (0.0, 9.9, 10.0, 14.9, 15.0)] == [False, False, True, True, False]
    clock[0] = 12.0
    assert faults.strike("salesOrder.get", frozenset(), writes=False) is None


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"kind": "outage", "retry_after": 1}, "retry_after_s"),
        ({"kind": "outtage"}, "'outage'"),
        ({"kind": "outage", "probability": 2}, "probability"),
        ([1], "Fault"),
    ],
)
def test_a_misspelt_fault_is_refused_with_the_nearest_name(account: Account, body: object, hint: str) -> None:
    reply = account.call("POST", "/sandbox/faults", body)

    assert reply.status == 400
    assert hint in reply.json["error"]


def _exchange(port: int, key: str) -> bytes:
    body = json.dumps(ORDER).encode()
    head = f"PUT {RECORD}salesOrder/eid:{key} HTTP/1.1\r\nHost: erp\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n"
    with _connected(port) as wire:
        wire.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        got = b""
        while part := wire.recv(65536):
            got += part
    return got


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise


def test_an_answer_is_lost_after_the_commit_and_a_reset_comes_before_it(tmp_path: Path) -> None:
    port = free_port()
    lost = Fault(kind="lost_answer", external_id="L1", next=1)
    reset = Fault(kind="reset", external_id="R1", next=1)

    with served(tmp_path / "log.jsonl", port, lost, reset):
        assert _exchange(port, "L1") == b""
        with pytest.raises(ConnectionResetError):
            _exchange(port, "R1")
        again = _exchange(port, "L1")

    assert again.startswith(b"HTTP/1.1 204")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["answer"], line.get("committed", False)) for line in lines] == [("lost", True), ("reset", False), (204, True)]
