"""Decides how long what waits in a lane will wait, if nothing more came: by its weights and shares, at an even rate. Pure."""

from collections.abc import Mapping

from routing.names import CLASSES, Class
from routing.weights import Weights

Waiting = Mapping[str, Mapping[Class, float]]
"""Calls that wait, by domain and class."""


def drained_s(waiting: Waiting, weights: Weights, shares: Mapping[str, int], rate_per_s: float) -> dict[tuple[str, Class], float]:
    """Seconds until the last of each domain and class is served at ``rate_per_s`` calls a second; ageing left out.

    It is what the wheel of `routing.weights` does over a long stretch: domains by their shares, classes of a domain by weight,
    and what one does not use goes to the others.

    >>> drained_s({"orders": {"high": 80, "low": 80}}, Weights(high=4, low=1), {}, 10.0)
    {('orders', 'high'): 10.0, ('orders', 'low'): 16.0}
    """
    left = {domain: {cls: float(calls[cls]) for cls in CLASSES if calls.get(cls)} for domain, calls in waiting.items()}
    found: dict[tuple[str, Class], float] = {}
    now_s = 0.0
    while any(left.values()):
        parts = _parts(left, weights, shares)
        step_s = min(left[domain][cls] / (part * rate_per_s) for (domain, cls), part in parts.items())
        now_s += step_s
        for (domain, cls), part in parts.items():
            rest = left[domain][cls] - part * rate_per_s * step_s
            if rest > 1e-6:
                left[domain][cls] = rest
            else:
                found[domain, cls] = round(now_s, 6)
                del left[domain][cls]
    return found


def _parts(left: Waiting, weights: Weights, shares: Mapping[str, int]) -> dict[tuple[str, Class], float]:
    """The part of the rate that each domain and class with something left gets now."""
    domains = [domain for domain, classes in left.items() if classes]
    whole = sum(shares.get(domain, 1) for domain in domains)
    parts: dict[tuple[str, Class], float] = {}
    for domain in domains:
        classes = [cls for cls in CLASSES if cls in left[domain]]
        served = classes[:1] if weights.strict else classes
        turns = sum(weights.of(cls) for cls in served)
        parts |= {(domain, cls): shares.get(domain, 1) / whole * weights.of(cls) / turns for cls in served}
    return parts
