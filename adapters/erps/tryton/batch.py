"""Makes the sales of many orders together: each decides its next step by its own state, and steps of one name go out as one call.

A round reads all sales by their keys, lets each chain decide, and sends what they decided: create, rewrite, quote, confirm. The
first round reads nothing: keys are unique, so creating blindly is safe. New orders take five requests, however many they are,
or some more where Tryton is slow: no request carries more sales than it is done with in a few seconds (`Pace`).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from adapters.erps.base import Undone
from adapters.erps.tryton.chain import MOST_ROUNDS, Steps
from adapters.erps.tryton.faults import Fault, Moved, Taken
from adapters.erps.tryton.options import TrytonOptions
from adapters.erps.tryton.records import HEAD_FIELDS, Sale
from adapters.erps.tryton.rpc import RolledBack, Rpc, Told
from adapters.erps.tryton.sales import SaleChain
from adapters.erps.tryton.session import read_sale
from adapters.erps.tryton.wire import SALE, Request
from adapters.http.caller import Caller
from canonical.outcome import AlreadyDone, Conflict, Done, Outcome, Unavailable

_ORDER = ("sale.create", "sale.write", "sale.draft", "sale.quote", "sale.confirm")

CALL_S = 5.0
"""A call should take no longer: proxies give up after some 20 s, and what was made by then is in doubt."""

_FIRST_GUESS_S = {"sale.confirm": 2.5}
_OTHER_GUESS_S = 0.2

Failed = Fault | RolledBack
"""Ends the batch where it stands; what was made is found by its key and continued."""


class Pace:
    """How long an account takes for one sale, by step: the last call tells. Shared by threads; a lost measure is no harm."""

    def __init__(self) -> None:
        self._sale_s: dict[str, float] = {}

    def at_once(self, step: str) -> int:
        """Sales of one call."""
        return max(1, int(CALL_S / self._sale_s.get(step, _FIRST_GUESS_S.get(step, _OTHER_GUESS_S))))

    def took(self, step: str, sales: int, call_s: float) -> None:
        """A call for so many sales took so long."""
        self._sale_s[step] = max(0.001, call_s / sales)


def make_sales(
    chains: Sequence[SaleChain], rpc: Rpc, caller: Caller, options: TrytonOptions, pace: Pace
) -> Sequence[Outcome | Undone]:
    """One outcome for each chain. Undone where a call was refused for all: posting any of them again continues it."""
    return _Batch(chains, rpc, caller, options, pace).run() if chains else []


class _Batch:
    """The sales of one call; used once."""

    def __init__(self, chains: Sequence[SaleChain], rpc: Rpc, caller: Caller, options: TrytonOptions, pace: Pace) -> None:
        self._pace = pace
        self._chains = chains
        self._rpc = rpc
        self._caller = caller
        self._shop = options.shop
        self._ends: dict[str, Outcome] = {}
        self._wrote: set[str] = set()

    def run(self) -> list[Outcome | Undone]:
        sales: Mapping[str, Sale] | Failed = {}
        for _ in range(MOST_ROUNDS):
            failed = sales if isinstance(sales, Failed) else self._round(sales)
            if failed is not None:
                return self._answers(Undone(failed.reason) if isinstance(failed, RolledBack) else failed)
            if not self._open():
                break
            sales = self._read()
        return self._answers(Conflict("the records keep changing: another user or integration works on them"))

    def _answers(self, of_the_rest: Outcome | Undone) -> list[Outcome | Undone]:
        return [self._ends.get(chain.web_id, of_the_rest) for chain in self._chains]

    def _open(self) -> list[SaleChain]:
        return [chain for chain in self._chains if chain.web_id not in self._ends]

    def _round(self, sales: Mapping[str, Sale]) -> Failed | None:
        """Decide for each sale and send what was decided, in one call a step."""
        wanted: dict[str, list[tuple[SaleChain, Request]]] = {}
        for chain in self._open():
            decision = chain.decide(sales.get(chain.web_id), frozenset())
            if isinstance(decision, Steps):
                for request in decision.requests:
                    wanted.setdefault(request.name, []).append((chain, request))
            else:
                self._ends[chain.web_id] = self._end(chain, decision)
        for name in sorted(wanted, key=_ORDER.index):
            answer = self._step(name, wanted[name])
            if answer is not None:
                return None if isinstance(answer, Moved | Taken) else answer
        return None

    def _step(self, name: str, asked: Sequence[tuple[SaleChain, Request]]) -> Moved | Taken | Failed | None:
        """Take one step for several sales, in calls that do not take too long."""
        left = list(asked)
        while left:
            at_once = self._pace.at_once(name)
            part, left = left[:at_once], left[at_once:]
            began = time.monotonic()
            answer = self._send(name, part)
            if not isinstance(answer, Told):
                return answer
            self._pace.took(name, len(part), time.monotonic() - began)
            self._wrote |= {chain.web_id for chain, _ in part}
        return None

    def _end(self, chain: SaleChain, decision: AlreadyDone | Fault) -> Outcome:
        if isinstance(decision, AlreadyDone) and chain.web_id in self._wrote:
            return Done(decision.remote_id)
        return decision

    def _send(self, name: str, asked: Sequence[tuple[SaleChain, Request]]) -> Told | Moved | Taken | Failed:
        requests = [request for _, request in asked]
        params: Iterable[object]
        if name == "sale.create":
            params = [[request.values for request in requests]]
        elif name == "sale.write":
            params = [part for request in requests for part in ([request.id], request.values)]
        else:
            params = [[request.id for request in requests]]
        return self._rpc.call(self._caller, f"{name}.batch", f"{SALE}.{name.partition('.')[2]}", *params)

    def _read(self) -> Mapping[str, Sale] | Failed:
        keys = [chain.web_id for chain in self._open()]
        domain = [["web_shop", "=", self._shop], ["web_id", "in", keys]]
        fields = ["web_id", *HEAD_FIELDS]
        told = self._rpc.call(self._caller, "sale.find.batch", f"{SALE}.search_read", domain, 0, None, None, fields, writes=False)
        if isinstance(told, Moved | Taken):
            return Unavailable("sale.find.batch: refused as a change would be")
        return _sales_in(told.result) if isinstance(told, Told) else told


def _sales_in(records: Any) -> Mapping[str, Sale] | Unavailable:
    found: dict[str, Sale] = {}
    for record in records if isinstance(records, list) else [None]:
        if not isinstance(record, Mapping) or "lines." not in record:
            return Unavailable("sale.find.batch: the answer is of an unknown shape")
        sale = read_sale({**record, "lines": record["lines."]}, "sale.find.batch")
        if not isinstance(sale, Sale):
            return Unavailable("sale.find.batch: a sale in the answer is of an unknown shape")
        found[str(record.get("web_id"))] = sale
    return found
