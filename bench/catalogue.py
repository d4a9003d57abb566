"""Lists the benches of this folder with their contenders, their sizes and how often each is wished to run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench import against_tryton, measures
from bench.contenders import Contender, Told
from bench.express import express
from bench.growth import growth
from bench.millrace import FREE_SLOTS, Millrace
from bench.peer import celery_at_a_limit, peers, split_by_hand
from bench.reorder import reorder
from bench.schedule import Bench
from bench.services import Site
from bench.stage import Run
from bench.throttle import MEASURED, TOLD, WEATHERS, Length

NAMES = ("throttled", "killed", "shared", "learned", "express", "reorder", "pipeline", "intake", "growth", "tryton")
BACKLOGS = (1_000, 100_000, 1_000_000)


Maker = Callable[[Site, "Sizes"], list[Bench]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the runs are. ``smoke()`` is small enough to see that everything works, and says nothing else."""

    accepted: int = 4_000
    connections: int = 32
    drained: int = 8_000
    service_s: float = 0.020
    length: Length = MEASURED
    express_backlog: int = 20_000
    express_low: int = 500
    express_peer_backlog: int = 2_000
    reorder_backlog: int = 100_000
    backlogs: tuple[int, ...] = BACKLOGS
    growth_orders: int = 12_000
    peer_backlogs: tuple[int, ...] = BACKLOGS[:2]
    tryton_orders: int = 150


def smoke() -> Sizes:
    """Sizes of a trial."""
    length = Length(5.0, 2.0, 300, 2.0, 4.0, 2.0, 5.0, 3.0)
    return Sizes(300, 8, 300, 0.020, length, 1_500, 50, 1_500, 2_000, (200, 2_000), 300, (200,), 6)


def catalogue(names: Sequence[str], site: Site, sizes: Sizes, only: Sequence[str] = ()) -> list[Bench]:
    """The named benches; with ``only`` those contenders alone."""
    made = [bench for name in NAMES if name in names for bench in _MAKERS[name](site, sizes)]
    if not only:
        return made
    return [
        Bench(**{**_fields(bench), "measures": {name: run for name, run in bench.measures.items() if name in only}})
        for bench in made
        if any(name in only for name in bench.measures)
    ]


def _fields(bench: Bench) -> dict[str, object]:
    return {name: getattr(bench, name) for name in Bench.__slots__}


def _by_name(contenders: Sequence[Contender], measure: Callable[[Contender], Run]) -> dict[str, Callable[[], Run]]:
    return {one.name: partial(measure, one) for one in contenders}


def _weather(
    name: str, contenders: Sequence[Contender], rounds: int, best: int, run_s: float, only: str = "", first: int = 1
) -> Maker:
    def made(site: Site, sizes: Sizes) -> list[Bench]:
        measure = partial(WEATHERS[name], site=site, length=sizes.length)
        rivals = tuple(one.name for one in split_by_hand(TOLD))
        return [Bench(name, _by_name(contenders, measure), "used", True, rounds, best, 1, run_s, only, rivals, first)]

    return made


def _express(site: Site, sizes: Sizes) -> list[Bench]:
    product: Contender = Millrace(told=TOLD)
    runs = _by_name([product], partial(express, site=site, backlog=sizes.express_backlog, low=sizes.express_low))
    others = partial(express, site=site, backlog=sizes.express_peer_backlog, low=0)
    runs |= _by_name(split_by_hand(TOLD, priorities=True, celery=True), others)
    return [Bench("express", runs, "max_s", False, 5, 2, 1, 35.0)]


def _reorder(site: Site, sizes: Sizes) -> list[Bench]:
    run = partial(reorder, Millrace(told=TOLD), site, backlog=sizes.reorder_backlog)
    return [Bench("reorder", {"millrace": run}, "seconds", False, 5, run_s=35.0)]


def _pipeline(site: Site, sizes: Sizes) -> list[Bench]:
    measure = partial(measures.pipeline, site=site, orders=sizes.drained, service_s=sizes.service_s)
    return [
        Bench("pipeline", _by_name([Millrace(slots=FREE_SLOTS), *peers()], measure), "orders_per_s", True, 5, 5, 2, 25.0, first=5)
    ]


def _intake(site: Site, sizes: Sizes) -> list[Bench]:
    measure = partial(measures.intake, site=site, orders=sizes.accepted, connections=sizes.connections)
    return [
        Bench("intake", _by_name([Millrace(slots=FREE_SLOTS), *peers()], measure), "accepted_per_s", True, 5, 5, 2, 18.0, first=5)
    ]


def _growth(site: Site, sizes: Sizes) -> list[Bench]:
    benches = []
    for backlog in sizes.backlogs:
        others = peers() if backlog in sizes.peer_backlogs else []
        measure = partial(growth, site=site, backlog=backlog, orders=sizes.growth_orders)
        runs = _by_name([Millrace(slots=FREE_SLOTS), *others], measure)
        benches.append(Bench(f"growth at {backlog}", runs, "worker_mb", False, 2, 1, 1, 25.0 + backlog / 12_000, "pipeline"))
    return benches


def _tryton(site: Site, sizes: Sizes) -> list[Bench]:
    if not against_tryton.available():
        return []
    run = partial(against_tryton.tryton, Millrace(), site, orders=sizes.tryton_orders)
    return [Bench("tryton", {"millrace": run}, "refused", False, 1, run_s=120.0)]


_KNOWN = [Millrace(told=TOLD), *split_by_hand(TOLD)]
_MAKERS: dict[str, Maker] = {
    "throttled": _weather("throttled", [*_KNOWN, *celery_at_a_limit(TOLD)], 5, 5, 28.0, first=5),
    "killed": _weather("killed", _KNOWN, 3, 1, 45.0, "throttled"),
    "shared": _weather("shared", _KNOWN, 3, 1, 40.0, "throttled"),
    "learned": _weather("learned", [Millrace(told=Told())], 3, 0, 55.0),
    "express": _express,
    "reorder": _reorder,
    "pipeline": _pipeline,
    "intake": _intake,
    "growth": _growth,
    "tryton": _tryton,
}
