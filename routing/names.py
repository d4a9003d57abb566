"""Names queues: the one grammar for queue, exchange and routing-key names."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, get_args

Class = Literal["high", "normal", "low"]
CLASSES: tuple[Class, ...] = get_args(Class)

WORK_EXCHANGE = "work"
DEAD_EXCHANGE = "dead"
UNROUTED = "unrouted"


def lane(target: str) -> str:
    """Lane of one target, its unit of permits, pauses and weights: ``lane("netsuite") == "deliver.netsuite"``."""
    return f"deliver.{target}"


def family(target: str, domain: str) -> str:
    """Family of a domain's deliveries to one target: ``family("netsuite", "orders") == "deliver.netsuite.orders"``."""
    return f"deliver.{target}.{domain}"


def families_of(lane_name: str, domains: Iterable[str]) -> tuple[str, ...]:
    """Families of a lane: one a domain for a target's, itself for a domain's."""
    target = target_of(lane_name)
    return (lane_name,) if target is None else tuple(family(target, domain) for domain in domains)


@lru_cache(maxsize=1024)
def lane_of(family_name: str) -> str:
    """Lane a family belongs to: ``lane_of("deliver.netsuite.orders") == "deliver.netsuite"``; a domain's is its own."""
    target = target_of(family_name)
    return family_name if target is None else lane(target)


@lru_cache(maxsize=1024)
def domain_of(family_name: str) -> str:
    """Domain a family works in: ``orders`` for ``deliver.netsuite.orders`` and for ``orders``."""
    return family_name.rpartition(".")[2]


def queue(family_name: str, cls: Class) -> str:
    """Queue of one class of a family: ``queue("orders", "high") == "orders.high"``."""
    return f"{family_name}.{cls}"


def family_of(queue_name: str) -> str:
    """Family a work queue belongs to: ``family_of("deliver.netsuite.orders.low") == "deliver.netsuite.orders"``."""
    return queue_name.rpartition(".")[0]


def class_of(queue_name: str) -> Class:
    """Class of a work queue. Raises ValueError for a name outside the grammar."""
    last = queue_name.rpartition(".")[2]
    for cls in CLASSES:
        if cls == last:
            return cls
    raise ValueError(f"{queue_name!r} is no work queue: it must end in one of {', '.join(CLASSES)}")


def target_of(name: str) -> str | None:
    """Target that a delivery lane or family posts to, None for a domain."""
    prefix, _, rest = name.partition(".")
    return rest.partition(".")[0] if prefix == "deliver" and rest else None


def dead(lane_name: str) -> str:
    """Dead-letter queue of a lane: ``dead("orders") == "dead.orders"``."""
    return f"dead.{lane_name}"


def rung(tier_s: int) -> str:
    """Exchange and queue of one rung of the delay ladder: ``rung(30) == "delay.30"``."""
    return f"delay.{tier_s}"
