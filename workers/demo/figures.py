"""Works out figures from the ERP's log: waits by class, use of the allowance, requests above the limit, what was tried again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.erps.netsuite.keys import fulfilment_key, order_key
from workers.demo.effects import FULFILMENT, ORDER
from workers.demo.model import Expected
from workers.demo.sale import Class
from workers.demo.weather import Spell
from workers.sandbox.journal import Entry
from workers.sandbox.limits import Gate, Limits

BACKLOG = 25
"""Effects that must be waiting for a second to count as one with a backlog."""

_RECOVERY_S = 2.0
CLASSES: tuple[Class, ...] = ("high", "normal", "low")


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from the sender's 2xx to the ERP's commit."""

    count: int
    p50_s: float
    p95_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Budget:
    """Use of the ERP's allowance. ``share_used`` over the seconds in which a backlog stood in fair weather."""

    requests: int
    fair_seconds: int
    share_used: float | None
    above_rate: int
    most_at_once: int
    refused_429: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """What the ERP's log tells of second tries: failed requests by answer, and what followed a lost answer."""

    failed: Mapping[str, int]
    lost_answers: int
    looked_up: int
    sent_again_blindly: int


def waits_of(expected: Expected, log: Sequence[Entry]) -> dict[Class, Waits]:
    """Waits of orders until they were first in the ERP."""
    done = _first_commits(log)
    waited: dict[Class, list[float]] = defaultdict(list)
    for end in expected.orders.values():
        at = done.get((ORDER, order_key(end.source, end.key)))
        if at is not None:
            waited[end.cls].append(max(0.0, at - end.told_at))
    return {cls: _summary(sorted(waited[cls])) for cls in CLASSES if waited[cls]}


def budget_of(expected: Expected, log: Sequence[Entry], limits: Limits, spells: Sequence[Spell]) -> Budget:
    """How near the limit the requests came, and whether any went above."""
    asked = sorted(entry.at.timestamp() for entry in log if not entry.late)
    fair = _fair_seconds(expected, log, spells)
    in_fair = sum(int(at) in fair for at in asked)
    allowed = (limits.rate_per_s or 0) * len(fair)
    return Budget(
        requests=len(asked),
        fair_seconds=len(fair),
        share_used=round(in_fair / allowed, 3) if allowed else None,
        above_rate=_above(asked, limits),
        most_at_once=_most_at_once(log),
        refused_429=sum(entry.throttled for entry in log),
    )


def repeats_of(log: Sequence[Entry]) -> Repeats:
    """Second tries, and whether an effect in doubt was looked up before anything was sent again."""
    failed = Counter(str(entry.answer) for entry in log if _failed(entry))
    followed = [_follower(log, n) for n, entry in enumerate(log) if entry.committed and entry.answer in ("lost", "reset")]
    return Repeats(
        failed=dict(failed),
        lost_answers=len(followed),
        looked_up=sum(entry is not None and entry.method == "GET" for entry in followed),
        sent_again_blindly=sum(entry is not None and entry.method != "GET" for entry in followed),
    )


def _failed(entry: Entry) -> bool:
    return isinstance(entry.answer, str) or entry.answer in (401, 429) or entry.answer >= 500


def _follower(log: Sequence[Entry], n: int) -> Entry | None:
    """The next request about the same record."""
    return next((later for later in log[n + 1 :] if later.external_id == log[n].external_id), None)


def _first_commits(log: Iterable[Entry]) -> dict[tuple[str, str], float]:
    done: dict[tuple[str, str], float] = {}
    for entry in log:
        if entry.committed:
            done.setdefault((str(entry.record), str(entry.external_id)), entry.at.timestamp() + entry.took_ms / 1000)
    return done


def _summary(waits: Sequence[float]) -> Waits:
    return Waits(len(waits), _quantile(waits, 0.5), _quantile(waits, 0.95), round(waits[-1], 2))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def _fair_seconds(expected: Expected, log: Sequence[Entry], spells: Sequence[Spell]) -> set[int]:
    """Whole seconds with a backlog at both ends and no fault in force."""
    done = _first_commits(log)
    changes = [(at, 1) for at in _told(expected, done)] + [(at, -1) for at in done.values()]
    standing: dict[int, int] = {}
    now = 0
    for at, step in sorted(changes):
        now += step
        standing[int(at)] = min(standing.get(int(at), now), now)
    seconds = {s for s, least in standing.items() if least >= BACKLOG and standing.get(s + 1, 0) >= BACKLOG}
    return {s for s in seconds if not any(x.began_at - 1 < s < x.ended_at + _RECOVERY_S for x in spells)}


def _told(expected: Expected, done: Mapping[tuple[str, str], float]) -> Iterator[float]:
    for end in expected.orders.values():
        if (ORDER, order_key(end.source, end.key)) in done:
            yield end.told_at
        for part in end.shipments:
            if (FULFILMENT, fulfilment_key(end.source, part.key)) in done:
                yield part.told_at


def _above(asked: Sequence[float], limits: Limits) -> int:
    """Requests that a bucket of the agreed rate and burst would not have had a token for."""
    if not asked:
        return 0
    moment = [asked[0]]
    gate = Gate(Limits(rate_per_s=limits.rate_per_s, burst=limits.burst, concurrency=None), clock=lambda: moment[0])
    above = 0
    for at in asked:
        moment[0] = at
        above += gate.enter() != "admitted"
    return above


def _most_at_once(log: Sequence[Entry]) -> int:
    changes = []
    for entry in log:
        if not entry.late and not entry.throttled:
            began = entry.at.timestamp()
            changes += [(began, 1), (began + entry.took_ms / 1000, -1)]
    most = now = 0
    for _, step in sorted(changes):
        now += step
        most = max(most, now)
    return most
