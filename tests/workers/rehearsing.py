"""Scenes for tests of rehearsals: a fleet of one ERP in memory, its limit and times as a test wants them."""

from collections.abc import Sequence
from typing import Any

from adapters.erps.memory import MemoryErp
from config.fleet import Fleet
from config.peaks import read_profile
from config.topology import load_topology
from routing import names
from tasks.in_force import rules_of
from workers.plan import Rules
from workers.rehearse.arrivals import Arrival
from workers.rehearse.figures import Prediction, predict
from workers.rehearse.scenes import NOTHING_SET
from workers.rehearse.service import Service, Spread, TargetService
from workers.rehearse.stage import Played, Scene, rehearse

BEGINS_S = 1_795_773_600.0
"""2026-11-27 10:00 UTC."""
QUICK = TargetService(call_ms=Spread(median=20), part_ms=Spread(median=2), cpu_ms=0.5)


def a_fleet(**told: Any) -> Fleet:
    """One source, one target ``erp``; express orders are high, returns low."""
    target = {"adapter": "memory", "url": "http://127.0.0.1:1"} | told.pop("target", {})
    table = {
        "sources": {"shop": {"channel": "open", "secrets": ["SHOP"]}},
        "targets": {"erp": target},
        "routes": [{"target": "erp"}],
        "classes": [
            {"class": "high", "kinds": ["order"], "shipping_methods": ["express"]},
            {"class": "low", "kinds": ["return"]},
        ],
        "pools": {
            "prepare": {"kind": "prefork", "families": ["orders", "shipments", "returns"], "concurrency": 2},
            "deliver": {"kind": "threads", "families": ["deliver.erp"], "concurrency": 8},
        },
    }
    return Fleet.model_validate(table | told)


def a_scene(
    fleet: Fleet | None = None, *, rules: Rules = NOTHING_SET, profile: dict[str, Any] | None = None, **more: Any
) -> Scene:
    """A scene of that fleet: all lanes, one worker a pool, quick times."""
    fleet = fleet or a_fleet()
    told = None if profile is None else read_profile({"name": "sale", "summary": "of a test"} | profile, "the test")
    given: dict[str, Any] = {
        "fleet": told.over(fleet) if told else fleet,
        "rules": rules,
        "preparing": rules_of(fleet, told.kept() if told else None),
        "topology": load_topology(),
        "erps": {name: MemoryErp() for name in fleet.targets},
        "service": Service(targets={"erp": QUICK}),
        "lanes": frozenset((*load_topology().domains, *(names.lane(name) for name in fleet.targets))),
        "workers": dict.fromkeys(fleet.pools, 1),
        "begins_s": BEGINS_S,
        "longest_s": 7 * 86_400.0,
    }
    return Scene(**(given | more))


def every(seconds: float, count: int, **told: Any) -> list[Arrival]:
    """So many arrivals, one every so many seconds."""
    return [Arrival(number * seconds, "shop", **told) for number in range(count)]


def mixed(*some: Sequence[Arrival]) -> list[Arrival]:
    """All of them by time."""
    return sorted((one for each in some for one in each), key=lambda one: one.at_s)


def played(scene: Scene, arrivals: Sequence[Arrival]) -> Played:
    """What came of it."""
    return rehearse(scene, arrivals)


def predicted(scene: Scene, arrivals: Sequence[Arrival], **promises: float) -> Prediction:
    """The figures of it."""
    return predict(rehearse(scene, arrivals), promises)  # type: ignore[arg-type]  # names of classes
