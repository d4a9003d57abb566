"""A clock that tests move by hand, and the two throttles that run on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import fakeredis
from redis.typing import EncodableT

from adapters.throttle.base import Limit
from adapters.throttle.keeper import Keeper
from adapters.throttle.local import LocalThrottle
from adapters.throttle.redis import RedisThrottle


@dataclass
class Clock:
    """Seconds; begins far from zero, as a real one does."""

    now_s: float = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds


class FakeTimeRedis(fakeredis.FakeRedis):
    """The in-memory server, answering TIME from a test's clock."""

    clock: Clock

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: EncodableT) -> Any:
        with patch("time.time", self.clock):
            return super().evalsha(sha, numkeys, *keys_and_args)


def fake_redis(clock: Clock) -> FakeTimeRedis:
    """An empty in-memory server on ``clock``."""
    client = FakeTimeRedis(server=fakeredis.FakeServer())
    client.clock = clock
    return client


def redis_throttle(limit: Limit, clock: Clock) -> RedisThrottle:
    """The shared throttle on an in-memory server; its keeper never runs, so a lease lives as long as the clock says."""
    return RedisThrottle(fake_redis(clock), "books", limit, lease_life_s=5.0, keeper=Keeper(every_s=3600), clock=clock)


def local_throttle(limit: Limit, clock: Clock) -> LocalThrottle:
    """The in-process throttle."""
    return LocalThrottle(limit, clock=clock, hold_max_s=5.0)


MAKERS: dict[str, Callable[[Limit, Clock], RedisThrottle | LocalThrottle]] = {"redis": redis_throttle, "local": local_throttle}
