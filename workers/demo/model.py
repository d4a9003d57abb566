"""The demo's own model of the sale: from the accepted facts alone, what a correct system must have made of each order.

It knows nothing of Millrace: no versions, no queues, no adapters. A newer state wins whatever the order of arrival; a
cancellation wins over what was told before it; an order that was cancelled before it was told at all never goes out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from workers.demo.reception import Event, Reception
from workers.demo.sale import Class
from workers.demo.webhook import Fact, Webhook

Ends = Literal["posted", "parked", "withdrawn", "never"]
"""``withdrawn``: cancelled after it was told; it may have been posted, but then it must be closed."""

OrderKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A shipment or return of an order that must be in effect; ``told_at`` is when it was accepted."""

    key: str
    pieces: int
    total: Decimal
    told_at: float


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """How one order must have ended. ``states`` counts the different states told of it: no more may ever be written."""

    source: str
    key: str
    cls: Class
    ends: Ends
    total: Decimal
    pieces: int
    states: int
    told_at: float
    shipments: tuple[Part, ...] = ()
    returns: tuple[Part, ...] = ()
    parked: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """All orders, the events that must be parked (with failure class and code), and those that wait for an order for ever."""

    orders: Mapping[OrderKey, OrderEnd]
    parked_events: Mapping[Event, tuple[str, str]]
    orphans: frozenset[Event]


@dataclass(frozen=True, slots=True)
class _Heard:
    fact: Fact
    accepted_at: float
    first_sent_at: float


def expected_of(webhooks: Sequence[Webhook], reception: Reception) -> Expected:
    """What must have become of everything that was accepted, and of nothing else."""
    heard: dict[OrderKey, list[_Heard]] = defaultdict(list)
    parked: dict[Event, tuple[str, str]] = {}
    orphans: set[Event] = set()
    for hook in {hook.known_as: hook for hook in webhooks}.values():
        accepted_at = reception.accepted.get(hook.known_as)
        if accepted_at is None or hook.fact.told == "kept" or hook.refusal is not None:
            continue
        if hook.fact.told == "orphan":
            orphans.add(hook.known_as)
            continue
        if hook.fact.told == "broken" and hook.fact.parked:
            parked[hook.known_as] = hook.fact.parked
            continue
        heard[hook.source, hook.fact.order].append(_Heard(hook.fact, accepted_at, reception.first_sent[hook.known_as]))
    return Expected({key: _end_of(key, facts) for key, facts in heard.items()}, parked, frozenset(orphans))


def _end_of(key: OrderKey, heard: Sequence[_Heard]) -> OrderEnd:
    states = [h for h in heard if h.fact.told in ("order", "cancel")]
    newest = max(states, key=lambda h: h.fact.as_of)
    first = min(states, key=lambda h: h.accepted_at)
    parked = next((h.fact.parked for h in states if h.fact.parked), None)
    return OrderEnd(
        source=key[0],
        key=key[1],
        cls=newest.fact.cls,
        ends="parked" if parked else _ends(states, newest),
        total=newest.fact.total,
        pieces=newest.fact.pieces,
        states=len({(h.fact.told == "cancel", h.fact.total, h.fact.pieces) for h in states}),
        told_at=first.accepted_at,
        shipments=tuple(_parts(heard, "shipment")),
        returns=tuple(_parts(heard, "return")),
        parked=parked,
    )


def _ends(states: Sequence[_Heard], newest: _Heard) -> Ends:
    if newest.fact.told != "cancel":
        return "posted"
    told = [h.first_sent_at for h in states if h.fact.told == "order"]
    return "never" if not told or newest.accepted_at < min(told) else "withdrawn"


def _parts(heard: Iterable[_Heard], told: str) -> Iterable[Part]:
    for h in heard:
        if h.fact.told == told:
            yield Part(h.fact.key, h.fact.pieces, h.fact.total, h.accepted_at)
