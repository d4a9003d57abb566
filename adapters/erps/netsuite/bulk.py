"""Creates many sales orders by one asynchronous request, and finds out what became of each.

    POST of a collection -> 202 and a job -> the job is asked until it is over -> one query tells which orders are there
                                                                               -> what is not there is posted alone

A result of each task would take a request an order; the query takes one for all, and an order that the job did not make is
Undone: posted alone by the step, it is made or told why not. Oracle's help: "REST Web Services Request Processing"
(chapter_161251386312: jobs and the idempotency key) and "Executing SuiteQL Queries Through REST Web Services".
"""

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.erps.base import Posting, Undone
from adapters.erps.netsuite.faults import Fault, code_of, in_doubt, misplaced
from adapters.erps.netsuite.keys import order_key
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.orders import RECORD
from adapters.erps.netsuite.sales import order_body
from adapters.erps.netsuite.wire import Ask, Body, Wire, met
from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from canonical.order import Order
from canonical.outcome import Done, Outcome, Rejected, Throttled, Unavailable, Uncertain

MOST_AT_ONCE = 100
"""Records of one request, Oracle's limit."""

FEWEST = 5
"""A request for fewer takes as many calls as posting them one by one: it, at least one look at the job, and the query."""

_NAMESPACE = uuid.UUID("6f0d8a1e-6f55-5b0e-9c43-3b6f0a2f7d11")
_COLLECTION = "application/vnd.oracle.resource+json; type=collection"
_JOB = re.compile(r".*/async/v1/job/(\d{1,20})/?")
_LONGEST_PAUSE_S = 4.0


@dataclass(frozen=True, slots=True)
class _Item:
    posting: Posting
    order: Order
    key: str
    body: Body


class BulkOrders:
    """New orders of one account. Thread-safe."""

    def __init__(self, wire: Wire, options: NetSuiteOptions, sleep: Callable[[float], None] = time.sleep) -> None:
        self._wire = wire
        self._options = options
        self._sleep = sleep

    def create(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        """One outcome for each posting. A job that is not over in time, or whose result is not told, leaves them in doubt."""
        read = [self._item(posting) for posting in postings]
        items = [item for item in read if isinstance(item, _Item)]
        outcomes = iter(self._created(items, caller))
        return [next(outcomes) if isinstance(item, _Item) else item for item in read]

    def _item(self, posting: Posting) -> _Item | Rejected:
        order = posting.document
        if not isinstance(order, Order) or posting.operation != "order.create":
            return misplaced(posting.operation, order.kind)
        body = order_body(posting, order, self._options, None)
        if isinstance(body, Rejected):
            return body
        key = order_key(order.source, order.key)
        return _Item(posting, order, key, {**body, "externalId": key})

    def _created(self, items: Sequence[_Item], caller: Caller) -> Sequence[Outcome | Undone]:
        if len(items) < FEWEST:
            return [Undone("too few for a request of their own")] * len(items)
        job = self._submit(items, caller)
        if isinstance(job, Rejected):
            return [Undone(job.reason)] * len(items)
        if not isinstance(job, str):
            return [job] * len(items)
        there = self._there(items, caller) if self._over(job, caller) else in_doubt(f"job {job} is not over", writes=True)
        if not isinstance(there, Mapping):
            return [Uncertain(there.reason)] * len(items)
        undone = Undone(f"job {job} did not make it")
        return [Done(there[item.key]) if item.key in there else undone for item in items]

    def _submit(self, items: Sequence[_Item], caller: Caller) -> str | Fault:
        """The job's number. The key lets a request whose answer was lost be sent once more without being worked on twice."""
        names = "\n".join(f"{item.key}/{item.posting.version}" for item in items)
        headers = (("prefer", "respond-async"), ("x-netsuite-idempotency-key", str(uuid.uuid5(_NAMESPACE, names))))
        body = {"items": [item.body for item in items]}
        ask = Ask(f"{RECORD}.batch", "POST", f"/record/v1/{RECORD}", RECORD, (), body, _COLLECTION, headers)
        for _ in range(2):
            exchange = self._wire.exchange(caller, ask)
            job = _job_of(exchange)
            if job:
                return job
            meaning = met(exchange, ask, writes=True)
            if not isinstance(meaning, Uncertain):
                break
        return meaning if isinstance(meaning, Fault) else in_doubt(f"{ask.name}: not the answer that was due", writes=True)

    def _over(self, job: str, caller: Caller) -> bool:
        """Whether the job ended within the time given to it; each look is a call."""
        ask = Ask("job.get", "GET", f"/async/v1/job/{job}", "job")
        waited_s, pause_s = 0.0, 0.25
        while waited_s < self._options.batch_wait_s:
            self._sleep(pause_s)
            waited_s += pause_s
            exchange = self._wire.exchange(caller, ask)
            if isinstance(exchange, Answer) and exchange.status == 200 and _json(exchange).get("completed") is True:
                return True
            pause_s = max(min(2 * pause_s, _LONGEST_PAUSE_S), _hint_s(met(exchange, ask, writes=False)))
        return False

    def _there(self, items: Sequence[_Item], caller: Caller) -> Mapping[str, str] | Fault:
        """Internal ids by external id, of the orders that hold this version's effect or a later one's."""
        version = self._options.version_field
        names = ", ".join("'" + item.key.replace("'", "''") + "'" for item in items)
        columns = f"id, externalid, {version}" if version else "id, externalid"
        query = f"SELECT {columns} FROM transaction WHERE type = 'SalesOrd' AND externalid IN ({names})"  # noqa: S608
        headers = (("prefer", "transient"),)
        ask = Ask("orders.query", "POST", "/query/v1/suiteql", RECORD, (), {"q": query}, headers=headers)
        exchange = self._wire.exchange(caller, ask)
        rows = _json(exchange).get("items") if isinstance(exchange, Answer) and exchange.status == 200 else None
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            meaning = met(exchange, ask, writes=False)
            return meaning if isinstance(meaning, Fault) else Unavailable(f"{ask.name}: not the answer that was due")
        wanted = {item.key: item.posting.version for item in items}
        return {
            str(row.get("externalid")): str(row.get("id"))
            for row in rows
            if not version or _number(row.get(version)) >= wanted.get(str(row.get("externalid")), 0)
        }


def _job_of(exchange: Exchange | Fault) -> str | None:
    """The job that an answer names: accepted now, or by an earlier request with the same key."""
    if not isinstance(exchange, Answer):
        return None
    if exchange.status != 202 and code_of(exchange) != "IDEMPOTENCY_ERROR":
        return None
    found = _JOB.fullmatch((exchange.header("location") or "").partition("?")[0])
    return found[1] if found else None


def _json(answer: Answer) -> Mapping[str, Any]:
    try:
        body = read_json(answer)
    except UnreadableError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _hint_s(meaning: object) -> float:
    told = meaning.retry_after_s if isinstance(meaning, Throttled | Unavailable) else None
    return min(told or 0.0, _LONGEST_PAUSE_S * 5)


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else 0
