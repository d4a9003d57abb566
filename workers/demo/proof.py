"""Proves the sale: the ERP's log and the ledger's desk against the model; every difference names its order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.erps.netsuite.keys import authorization_key, order_key, receipt_key
from workers.demo.desk import Desk
from workers.demo.effects import AUTHORIZATION, ORDER, RECEIPT, effects_of, names_of
from workers.demo.model import Expected, OrderEnd, OrderKey
from workers.demo.reception import Reception
from workers.sandbox.journal import Entry
from workers.sandbox.judge import Finding, Verdict, judge_entries


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it must be. ``source`` and ``order`` name the order where there is one."""

    kind: str
    source: str
    order: str
    reason: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Money of the orders that stand (not withdrawn), by where it is; ``told`` must be the sum of the others."""

    told: Decimal
    in_erp: Decimal
    parked: Decimal

    @property
    def agree(self) -> bool:
        """To the cent."""
        return self.told == self.in_erp + self.parked


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict on the whole sale."""

    verdict: Verdict
    problems: tuple[Problem, ...]
    lost: int
    doubled: int
    totals: Totals


def prove(expected: Expected, reception: Reception, log: Sequence[Entry], desk: Desk, still_open: Iterable[str]) -> Proof:
    """Compare everything. ``still_open`` are withdrawn orders that the ERP has and that are not closed."""
    verdict = judge_entries(log, effects_of(expected))
    totals = _totals(expected, log)
    names = names_of(expected)
    lost = [
        *_found("lost", verdict.lost, names),
        *_half_returns(expected, log),
        *_unknown(reception, desk),
        *_unfinished(expected, desk),
    ]
    doubled = [*_found("doubled", verdict.doubled, names), *_too_many_states(expected, log)]
    problems = [
        *lost,
        *doubled,
        *_found("unexpected", verdict.unexpected, names),
        *_found("backwards", verdict.backwards, names),
        *_found("wrong amount", verdict.wrong, names),
        *(Problem("still open", *_order_of(name, names), "cancelled, but open in the ERP") for name in still_open),
        *(Problem("sender", hook.source, hook.fact.order, f"{hook.topic} {why}") for hook, why in reception.mistakes),
        *_wrongly_parked(expected, desk),
    ]
    if not totals.agree:
        problems.append(Problem("totals", "", "", f"told {totals.told}, in the ERP {totals.in_erp}, parked {totals.parked}"))
    return Proof(verdict, tuple(problems), len(lost), len(doubled), totals)


def _found(kind: str, findings: Iterable[Finding], names: Mapping[str, OrderKey]) -> Iterator[Problem]:
    for found in findings:
        version = f" version {found.version}" if found.version else ""
        reason = f"{found.record} {found.external_id}{version}: {found.reason}"
        yield Problem(kind, *_order_of(found.external_id or "", names), reason)


def _order_of(external_id: str, names: Mapping[str, OrderKey]) -> OrderKey:
    """The order a record of the ERP belongs to."""
    return names.get(external_id, ("", external_id))


def _unknown(reception: Reception, desk: Desk) -> Iterator[Problem]:
    for event in reception.accepted:
        if event not in desk.known:
            yield Problem("lost", event[0], event[1], "answered 2xx, but the ledger does not know the event")


def _half_returns(expected: Expected, log: Sequence[Entry]) -> Iterator[Problem]:
    """A return authorized without its goods received, or the other way round."""
    done = {(entry.record, entry.external_id) for entry in log if entry.committed}
    for end in expected.orders.values():
        for part in end.returns:
            authorized = (AUTHORIZATION, authorization_key(end.source, part.key)) in done
            halves = (authorized, (RECEIPT, receipt_key(end.source, part.key)) in done)
            if any(halves) and not all(halves):
                yield Problem("lost", end.source, end.key, f"return {part.key} has only one of authorization and receipt")


def _unfinished(expected: Expected, desk: Desk) -> Iterator[Problem]:
    for (source, key), state in desk.unended.items():
        if (source, key) not in expected.orphans or state != "waiting":
            yield Problem("lost", source, key, f"the event is still {state}")
    for what, state in desk.unfinished.items():
        _, source, key = (*what.partition(" ")[2].split("/", 2), "", "")[:3]
        yield Problem("lost", source, key, f"the delivery {what} is still {state}")


def _too_many_states(expected: Expected, log: Sequence[Entry]) -> Iterator[Problem]:
    commits = Counter(entry.external_id for entry in log if entry.committed and entry.record == ORDER)
    for end in expected.orders.values():
        written = commits[order_key(end.source, end.key)]
        if written > end.states:
            yield Problem("doubled", end.source, end.key, f"written {written} times for {end.states} states told")


def _wrongly_parked(expected: Expected, desk: Desk) -> Iterator[Problem]:
    for event, wanted in expected.parked_events.items():
        event_row = desk.parked_events.get(event)
        if event_row is None or (event_row.cls, event_row.code) != wanted:
            said = f"as {event_row.cls} {event_row.code}" if event_row else "at all"
            yield Problem("parked", *event, f"must be parked as {wanted[0]} {wanted[1]}, is not {said}")
    for event, row in desk.parked_events.items():
        if event not in expected.parked_events:
            yield Problem("parked", *event, f"parked as {row.cls} {row.code}: {row.reason}")
    for key, row in desk.parked_orders.items():
        end = expected.orders.get(key)
        if end is None or end.parked is None:
            yield Problem("parked", *key, f"parked as {row.cls} {row.code}: {row.reason}")
    for end in expected.orders.values():
        yield from _parked_otherwise(end, desk)


def _parked_otherwise(end: OrderEnd, desk: Desk) -> Iterator[Problem]:
    if end.parked is None:
        return
    row = desk.parked_orders.get((end.source, end.key))
    cls, code = end.parked
    if row is None or row.cls != cls or not row.code.startswith(code):
        said = f"{row.cls} {row.code}" if row else "not parked"
        yield Problem("parked", end.source, end.key, f"must be parked as {cls} {code}, is {said}")


def _totals(expected: Expected, log: Sequence[Entry]) -> Totals:
    last = {entry.external_id: entry for entry in log if entry.committed and entry.record == ORDER}
    told = in_erp = parked = Decimal(0)
    for end in expected.orders.values():
        if end.ends not in ("posted", "parked"):
            continue
        told += end.total
        entry = last.get(order_key(end.source, end.key))
        if entry is not None:
            in_erp += Decimal(entry.total or 0)
        elif end.ends == "parked":
            parked += end.total
    return Totals(told, in_erp, parked)
