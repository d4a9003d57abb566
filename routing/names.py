"""Names queues: the one grammar for queue, exchange and routing-key names."""

from typing import Literal, get_args

Class = Literal["high", "normal", "low"]
CLASSES: tuple[Class, ...] = get_args(Class)

WORK_EXCHANGE = "work"
DEAD_EXCHANGE = "dead"
UNROUTED = "unrouted"


def lane(target: str) -> str:
    """Family of the deliveries to one target: ``lane("netsuite") == "deliver.netsuite"``."""
    return f"deliver.{target}"


def queue(family: str, cls: Class) -> str:
    """Queue of one class of a family: ``queue("orders", "high") == "orders.high"``."""
    return f"{family}.{cls}"


def family_of(queue_name: str) -> str:
    """Family a work queue belongs to: ``family_of("deliver.netsuite.low") == "deliver.netsuite"``."""
    return queue_name.rpartition(".")[0]


def class_of(queue_name: str) -> Class:
    """Class of a work queue. Raises ValueError for a name outside the grammar."""
    last = queue_name.rpartition(".")[2]
    for cls in CLASSES:
        if cls == last:
            return cls
    raise ValueError(f"{queue_name!r} is no work queue: it must end in one of {', '.join(CLASSES)}")


def target_of(family: str) -> str | None:
    """Target a delivery family posts to, None for a domain family."""
    prefix, _, target = family.partition(".")
    return target if prefix == "deliver" and target else None


def dead(family: str) -> str:
    """Dead-letter queue of a family: ``dead("orders") == "dead.orders"``."""
    return f"dead.{family}"


def rung(tier_s: int) -> str:
    """Exchange and queue of one rung of the delay ladder: ``rung(30) == "delay.30"``."""
    return f"delay.{tier_s}"
