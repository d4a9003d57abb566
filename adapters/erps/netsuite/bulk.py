"""Creates many sales orders by one asynchronous request, and finds out what became of each.

    POST of a collection -> 202 and a job -> the job is asked until it is over -> one query tells which orders are there
                                                                               -> what is not there is posted alone

A result of each task would take a request an order; the query takes one for all, and an order that the job did not make is
told why when it is posted alone. Oracle's help: "Executing Batch Operations", "REST Web Services Request Processing"
(chapter_161251386312: jobs and the idempotency key), "Executing SuiteQL Queries Through REST Web Services".
"""

import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.erps.base import Posting
from adapters.erps.netsuite.faults import Fault, code_of, in_doubt, misplaced
from adapters.erps.netsuite.keys import order_key
from adapters.erps.netsuite.options import NetSuiteOptions
from adapters.erps.netsuite.orders import RECORD, Orders
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
"""A request for fewer takes more calls than posting them one by one: it, at least one look at the job, and the query."""

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

    def __init__(self, wire: Wire, options: NetSuiteOptions, orders: Orders, sleep: Callable[[float], None] = time.sleep) -> None:
        self._wire = wire
        self._options = options
        self._orders = orders
        self._sleep = sleep

    def create(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome]:
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

    def _created(self, items: Sequence[_Item], caller: Caller) -> Iterator[Outcome]:
        if len(items) < FEWEST:
            return self._one_by_one(items, {}, caller)
        job = self._submit(items, caller)
        if isinstance(job, Rejected):
            # Not one of them was taken, for a reason that need not be theirs: the role, the record type, the request itself.
            return self._one_by_one(items, {}, caller)
        if not isinstance(job, str):
            return iter([job] * len(items))
        there = self._there(items, caller) if self._over(job, caller) else in_doubt(f"job {job} is not over", writes=True)
        if not isinstance(there, Mapping):
            return iter([Uncertain(there.reason)] * len(items))
        return self._one_by_one(items, there, caller)

    def _one_by_one(self, items: Sequence[_Item], there: Mapping[str, str], caller: Caller) -> Iterator[Outcome]:
        """Done for what is there; the rest is posted alone, until the account is full or down."""
        stopped: Throttled | Unavailable | None = None
        for item in items:
            if item.key in there:
                yield Done(there[item.key])
                continue
            outcome = stopped or self._orders.create(item.posting, item.order, caller)
            if isinstance(outcome, Throttled | Unavailable):
                stopped = outcome
            yield outcome

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
