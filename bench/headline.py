"""Names the figures everything is judged by, each with its peers' figures beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.schedule import PRODUCT

Medians = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Figures by name, by contender, by title of the bench."""

HIGHER_IS_BETTER = frozenset({"orders_per_s", "accepted_per_s", "used", "requests_per_s", "low_per_s"})
_PLAIN = {
    "throttled": ("used", "refused"),
    "killed": ("used", "refused"),
    "shared": ("used", "refused", "used_when_given_back"),
    "learned": ("used", "refused"),
    "express": ("p50_s", "max_s", "used", "refused", "low_per_s", "low_longest_stand_s"),
    "reorder": ("seconds", "seconds_from_return_key", "used"),
    "tryton": ("refused", "orders_per_s"),
}
_OVER_BEST = {
    "drain.ratio": ("pipeline", "orders_per_s"),
    "drain.cpu_ratio": ("pipeline", "worker_cpu_s_per_1000"),
    "intake.ratio": ("intake", "accepted_per_s"),
    "intake.p99_ratio": ("intake", "p99_ms"),
}
_GROWTH = {"memory.growth": "worker_mb", "cpu.growth": "worker_cpu_ms_an_order", "cpu_of_all.growth": "all_cpu_ms_an_order"}
GROWTH_TITLE = "growth at "


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure: the product's value and every peer's; of a ratio, the peers' own values it is made of."""

    value: float
    peers: Mapping[str, float]


def ratio_to_best(medians: Mapping[str, Mapping[str, float]], figure: str) -> float | None:
    """The product's figure over the best peer's: above 1 is better for rates, below 1 for costs. None without either."""
    ours = medians.get(PRODUCT, {}).get(figure)
    others = [figures[figure] for name, figures in medians.items() if name != PRODUCT and figure in figures]
    if ours is None or not others:
        return None
    best = (max if figure in HIGHER_IS_BETTER else min)(others)
    return ours / best if best else None


def headlines(medians: Medians) -> dict[str, Headline]:
    """All figures that these benches give."""
    found: dict[str, Headline] = {}
    for title, figures in _PLAIN.items():
        for figure in figures:
            if (value := medians.get(title, {}).get(PRODUCT, {}).get(figure)) is not None:
                found[f"{title}.{figure}"] = Headline(value, _peers(medians[title], figure))
    for name, (title, figure) in _OVER_BEST.items():
        if (ratio := ratio_to_best(medians.get(title, {}), figure)) is not None:
            found[name] = Headline(ratio, _peers(medians[title], figure))
    return found | {name: grown for name, figure in _GROWTH.items() if (grown := _growth(medians, figure))}


def _growth(medians: Medians, figure: str) -> Headline | None:
    """The figure at the largest backlog over the smallest, of the product and of every peer that was there at both."""
    titles = sorted((title for title in medians if title.startswith(GROWTH_TITLE)), key=backlog_of)
    grown = {}
    for name in dict.fromkeys(name for title in titles for name in medians[title]):
        values = [medians[title][name][figure] for title in titles if figure in medians[title].get(name, {})]
        if len(values) > 1 and values[0]:
            grown[name] = values[-1] / values[0]
    value = grown.pop(PRODUCT, None)
    return None if value is None else Headline(value, grown)


def backlog_of(title: str) -> int:
    """Rows a growth bench was run at, by its title."""
    return int(title.removeprefix(GROWTH_TITLE))


def _peers(medians: Mapping[str, Mapping[str, float]], figure: str) -> dict[str, float]:
    return {name: figures[figure] for name, figures in medians.items() if name != PRODUCT and figure in figures}
