"""Runs the sums of a rehearsal: waits and promises by class, the allowance used, how busy the workers were."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.throttle.base import Limit
from canonical.document import DOMAIN_OF
from routing.names import CLASSES, Class
from workers.rehearse.erp import Erp
from workers.rehearse.stage import Played
from workers.rehearse.worker import Load
from workers.rehearse.works import Delivery

MOST_BINS = 240
BUSY = 0.9
"""From this part of what is allowed on, something is called full."""

Binds = Literal["limit", "workers", "nothing"]


@dataclass(frozen=True, slots=True)
class Waits:
    """One lane's deliveries of one class: seconds from being accepted to being at the target. ``breached`` of ``promised``."""

    lane: str
    cls: Class
    count: int
    done: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    longest_s: float | None
    promised: int
    breached: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """One target's: requests sent, the most in a second, and how much of what its rate allows was ``used`` from the first to the
    last of them; None where no rate bounds it. ``busiest``: the part of rate or concurrency, whichever is more, that was used in
    the busiest stretch. ``refused`` by the target.
    """

    target: str
    calls: int
    most_per_s: int
    allowed_per_s: float | None
    used: float | None
    busiest: float | None
    refused: int


@dataclass(frozen=True, slots=True)
class Staff:
    """One pool: ``slots`` of all its ``workers``; ``busiest_slots`` and ``busiest_cpu`` are means of the busiest stretch, CPU in
    processors. ``takes`` is the least number of workers for that; more would help where ``full``.
    """

    pool: str
    workers: int
    slots: int
    busiest_slots: float
    busiest_cpu: float
    takes: int
    full: bool


@dataclass(frozen=True, slots=True)
class Series:
    """Over time, in steps of ``step_s`` from the begin. ``backlog``: what was accepted and is not done, by lane and class at the
    end of each step, domains' lanes for what is not prepared. ``waits_p95_s`` of what was accepted in the step, by class.
    """

    step_s: float
    backlog: Mapping[str, Mapping[Class, Sequence[int]]]
    waits_p95_s: Mapping[Class, Sequence[float | None]]
    arrivals: Sequence[int]
    calls_per_s: Mapping[str, Sequence[float]]
    busy_slots: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is to be expected. ``drained_s`` from the begin until all is done, ``drain_s`` of it after the last arrival; None if
    it was not within the time played. ``nowhere``: arrivals that lead to nothing in these lanes; ``open``: not done by the end.
    """

    arrivals: int
    deliveries: int
    done: int
    parked: int
    nowhere: int
    open: int
    lasts_s: float
    drained_s: float | None
    drain_s: float | None
    waits: Sequence[Waits]
    allowances: Sequence[Allowance]
    staff: Sequence[Staff]
    binds: Binds
    series: Series


def predict(played: Played, promises: Mapping[Class, float]) -> Prediction:
    """The figures of a rehearsal. ``promises`` by class: seconds within which something has to be at its target; an arrival's own
    promise holds beside.
    """
    book, begins_s = played.book, played.scene.begins_s
    lasts_s = played.ended_s - begins_s
    last_s = max((event.at_s for event in book.events), default=begins_s) - begins_s
    deliveries = list(book.deliveries.values())
    done = [one for one in deliveries if one.state == "done"]
    parked = sum(one.state == "parked" for one in deliveries)
    unread = sum(event.prepared_s is None for event in book.events)
    left = len(deliveries) - len(done) - parked + unread
    series = _series(played, lasts_s)
    allowances, staff = _allowances(played, series.step_s), _staff(played, series.step_s)
    full = any(one.full for one in staff)
    limited = any(one.busiest is not None and one.busiest >= BUSY for one in allowances)
    finished_s = max((one.ended_s - begins_s for one in deliveries if one.ended_s is not None), default=0.0)
    return Prediction(
        arrivals=len(book.events),
        deliveries=len(deliveries),
        done=len(done),
        parked=parked,
        nowhere=sum(event.prepared_s is not None and not event.deliveries for event in book.events),
        open=left,
        lasts_s=lasts_s,
        drained_s=None if left else finished_s,
        drain_s=None if left else max(0.0, finished_s - last_s),
        waits=_waits(deliveries, promises),
        allowances=allowances,
        staff=staff,
        binds="limit" if limited else "workers" if full else "nothing",
        series=series,
    )


def quantile(ordered: Sequence[float], part: float) -> float | None:
    """The value that ``part`` of an ordered row do not exceed; None of none.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


def _waits(deliveries: Iterable[Delivery], promises: Mapping[Class, float]) -> list[Waits]:
    by_place: dict[tuple[str, Class], list[Delivery]] = {}
    for one in deliveries:
        by_place.setdefault((one.lane, one.effect.cls), []).append(one)
    places = sorted(by_place, key=lambda place: (place[0], CLASSES.index(place[1])))
    return [_waits_of(lane, cls, by_place[lane, cls], promises.get(cls)) for lane, cls in places]


def _waits_of(lane: str, cls: Class, some: Sequence[Delivery], promise_s: float | None) -> Waits:
    waits = sorted(wait for one in some if (wait := _wait_s(one)) is not None)
    promised = [one for one in some if promise_s is not None or one.event.arrival.promised_in_s is not None]
    late = sum(_late(one, promise_s) for one in promised)
    p50_s, p95_s, p99_s, longest_s = (quantile(waits, part) for part in (0.5, 0.95, 0.99, 1.0))
    return Waits(lane, cls, len(some), len(waits), p50_s, p95_s, p99_s, longest_s, len(promised), late)


def _wait_s(one: Delivery) -> float | None:
    return one.ended_s - one.since_s if one.state == "done" and one.ended_s is not None else None


def _late(one: Delivery, promise_s: float | None) -> bool:
    told = [each for each in (promise_s, one.event.arrival.promised_in_s) if each is not None]
    wait_s = _wait_s(one)
    return wait_s is None or wait_s > min(told)


def _allowances(played: Played, step_s: float) -> list[Allowance]:
    return [_allowance(name, erp, played.limits[name], max(10.0, step_s)) for name, erp in played.erps.items()]


def _allowance(target: str, erp: Erp, limit: Limit, stretch_s: float) -> Allowance:
    calls, rate, room = erp.calls, limit.rate_per_s, limit.concurrency
    sent, most = sum(calls.values()), max(calls.values(), default=0)
    span_s = max(calls) - min(calls) + 1 if calls else 0
    used = sent / (rate * span_s + limit.burst) if rate else None
    parts = [_busiest(calls, stretch_s) / rate] if rate else []
    parts += [_busiest(erp.held, stretch_s) / room] if room else []
    return Allowance(target, sent, most, rate, used, max(parts, default=None), erp.refused)


def _staff(played: Played, step_s: float) -> list[Staff]:
    return [_staff_of(name, played.scene.workers[name], played.scene.fleet.pools[name].concurrency,
                      played.scene.fleet.pools[name].kind == "threads", load, step_s)
            for name, load in played.loads.items()]  # fmt: skip


def _staff_of(pool: str, workers: int, each: int, threads: bool, load: Load, step_s: float) -> Staff:
    stretch_s = max(10.0, step_s)
    slots, cpu = _busiest(load.busy, stretch_s), _busiest(load.cpu, stretch_s)
    takes = max(1, math.ceil(slots / each - 1e-9), math.ceil(cpu / BUSY - 1e-9) if threads else 0)
    full = slots >= BUSY * workers * each or (threads and cpu >= BUSY * workers)
    return Staff(pool, workers, workers * each, slots, cpu, takes, full)


def _busiest(by_second: Mapping[int, float], stretch_s: float) -> float:
    """The mean a second of the busiest stretch."""
    sums: dict[int, float] = {}
    for second, amount in by_second.items():
        place = int(second / stretch_s)
        sums[place] = sums.get(place, 0.0) + amount
    return max(sums.values(), default=0.0) / stretch_s


def _series(played: Played, lasts_s: float) -> Series:
    step_s = max(1.0, math.ceil(lasts_s / MOST_BINS))
    steps, begins_s = int(lasts_s / step_s) + 1, played.scene.begins_s

    def place(moment_s: float) -> int:
        return min(steps - 1, int((moment_s - begins_s) / step_s))

    changes: dict[str, dict[Class, list[int]]] = {}

    def stood(lane: str, cls: Class, came_s: float, gone_s: float | None) -> None:
        told = changes.setdefault(lane, {}).setdefault(cls, [0] * steps)
        told[place(came_s)] += 1
        if gone_s is not None:
            told[place(gone_s)] -= 1

    arrivals = [0] * steps
    for event in played.book.events:
        arrivals[place(event.at_s)] += 1
        stood(DOMAIN_OF[event.arrival.kind], event.cls, event.at_s, event.prepared_s)
    waits: dict[Class, list[list[float]]] = {}
    for one in played.book.deliveries.values():
        stood(one.lane, one.effect.cls, one.born_s, one.ended_s)
        wait_s = _wait_s(one)
        if wait_s is not None:
            waits.setdefault(one.effect.cls, [[] for _ in range(steps)])[place(one.since_s)].append(wait_s)
    return Series(
        step_s=step_s,
        backlog={lane: {cls: _summed(told) for cls, told in by.items()} for lane, by in changes.items()},
        waits_p95_s={cls: [quantile(sorted(some), 0.95) for some in by] for cls, by in waits.items()},
        arrivals=arrivals,
        calls_per_s={name: _in_steps(erp.calls, step_s, steps) for name, erp in played.erps.items()},
        busy_slots={name: _in_steps(load.busy, step_s, steps) for name, load in played.loads.items()},
    )


def _summed(changes: Sequence[int]) -> list[int]:
    total, found = 0, []
    for change in changes:
        total += change
        found.append(total)
    return found


def _in_steps(by_second: Mapping[int, float], step_s: float, steps: int) -> list[float]:
    found = [0.0] * steps
    for second, amount in by_second.items():
        found[min(steps - 1, int(second / step_s))] += amount / step_s
    return found
