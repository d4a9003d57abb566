"""The sandbox's asynchronous requests: one job for many records, keys that are known again, a result for each item."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.workers.sandbox_account import ORDER, Account, Reply

COLLECTION = "application/vnd.oracle.resource+json; type=collection"
KEY = "cac827ea-3543-4cda-add2-bae634326c27"
JOB = "/services/rest/async/v1/job/1"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "log.jsonl")


def submit(account: Account, body: object, **headers: str) -> Reply:
    told = {"content_type": COLLECTION, "prefer": "respond-async", "x_netsuite_idempotency_key": KEY} | headers
    return account.call("POST", "salesOrder", body, **told)


def an_item(key: str, **more: Any) -> dict[str, Any]:
    return {**ORDER, "externalId": key, **more}


async def worked_off(account: Account, *items: dict[str, Any]) -> Reply:
    """Submit and wait for the job's end, in one event loop."""
    headers = {"content_type": COLLECTION, "prefer": "respond-async", "x_netsuite_idempotency_key": KEY}
    reply = await account.ask("POST", "salesOrder", {"items": list(items)}, **headers)
    for _ in range(200):
        if (await account.ask("GET", JOB)).json["completed"]:
            break
        await asyncio.sleep(0.02)
    return reply


def test_a_request_for_many_is_accepted_at_once_and_worked_off_item_by_item(account: Account) -> None:
    reply = asyncio.run(worked_off(account, an_item("a"), an_item("b", nonsense=1), an_item("c", entity={"id": "no"})))

    assert (reply.status, reply.headers["location"]) == (202, JOB)
    assert reply.headers["preference-applied"] == "respond-async"
    assert account.call("GET", JOB).json["progress"] == "failed"
    assert len(account.call("GET", f"{JOB}/task").json["items"]) == 3
    assert [account.call("GET", f"{JOB}/task/{n}/result").status for n in (1, 2, 3)] == [204, 204, 400]
    assert [(e.external_id, e.committed) for e in account.log() if e.operation == "salesOrder.create"] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]


def test_a_record_that_exists_is_refused_as_an_item_and_stays_as_it_is(account: Account) -> None:
    account.call("PUT", "salesOrder/eid:a", ORDER)

    asyncio.run(worked_off(account, an_item("a"), an_item("b")))

    refused = account.call("GET", f"{JOB}/task/1/result")
    assert refused.status == 400
    assert "already exists" in refused.json["o:errorDetails"][0]["detail"]
    assert [e.external_id for e in account.log() if e.committed] == ["a", "b"]


def test_a_key_that_came_before_names_its_first_job_and_nothing_is_done_again(account: Account) -> None:
    asyncio.run(worked_off(account, an_item("a")))

    again = submit(account, {"items": [an_item("a")]})

    assert (again.status, again.code, again.headers["location"]) == (400, "IDEMPOTENCY_ERROR", JOB)
    assert len([e for e in account.log() if e.operation == "salesOrder.create"]) == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"items": []}, {}),
        ({"items": [an_item(str(n)) for n in range(101)]}, {}),
        ({"records": [an_item("a")]}, {}),
        ({"items": [an_item("a")]}, {"prefer": "transient"}),
        ({"items": [an_item("a")]}, {"x_netsuite_idempotency_key": "mine"}),
    ],
)
def test_a_request_out_of_form_is_refused(account: Account, body: object, headers: dict[str, str]) -> None:
    reply = submit(account, body, **headers)

    assert (reply.status, reply.code) == (400, "INVALID_REQUEST")
    assert account.call("GET", JOB).status == 404


def test_the_query_for_many_orders_shows_those_that_are_there(account: Account) -> None:
    made = account.call("PUT", "salesOrder/eid:o'1", {**ORDER, "custbody_millrace_version": 3})
    columns, which = "id, externalid, custbody_millrace_version", "type = 'SalesOrd' AND externalid IN ('o''1', 'x')"
    query = f"SELECT {columns} FROM transaction WHERE {which}"

    reply = account.call("POST", "/services/rest/query/v1/suiteql", {"q": query}, prefer="transient")

    assert reply.json["items"] == [{"links": [], "id": made.id, "externalid": "o'1", "custbody_millrace_version": "3"}]
