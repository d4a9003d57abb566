"""Runs the look at the lanes: limiter, what waits, rules and pace, put together for the command line and the metrics."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import OperationalError

from adapters.throttle.base import Limit, OutOfReachError
from adapters.throttle.redis import RedisThrottle, connect
from adapters.throttle.status import LaneStatus, Sample
from config.fleet import Fleet
from ledger import standing
from ledger.session import Ledger
from routing import names
from workers.plan import LaneState, read_rules
from workers.waiting import Waiting, cells_of, ready_messages, waiting_of

PACE_S = 30.0
_BROKER_WAIT_S = 3
_NO_REDIS = "there is no MILLRACE_REDIS_URL: each worker limits itself alone, unseen from here"


@dataclass(frozen=True, slots=True)
class LaneView:
    """One lane now. ``status`` None: its limiter cannot be read (no target, no shared Redis, or Redis is away).

    ``state`` is what pause, window and ramp make of the lane. ``done_per_s`` are deliveries accepted lately.
    """

    lane: str
    target: str | None
    limit: Limit | None
    status: LaneStatus | None
    waiting: tuple[Waiting, ...]
    state: LaneState
    done_per_s: float | None

    @property
    def rows(self) -> int:
        """Rows that wait, at least."""
        return sum(one.rows for one in self.waiting)

    @property
    def more(self) -> bool:
        """Whether more wait than were counted."""
        return any(one.more for one in self.waiting)

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest that waits."""
        return max((one.oldest_s for one in self.waiting if one.oldest_s is not None), default=None)

    @property
    def drain_s(self) -> float | None:
        """Seconds until all that waits is done at the pace of the last half minute; None without a pace."""
        return self.rows / self.done_per_s if self.done_per_s else None


class Lookout:
    """Looks at lanes again and again; keeps its connections. What is away is left out, and named in ``away``."""

    def __init__(self, fleet: Fleet, opened: Ledger, *, redis_url: str = "", broker_url: str = "") -> None:
        self._fleet = fleet
        self.ledger = opened
        self._client = connect(redis_url) if redis_url else None
        self._broker = Connection(broker_url, connect_timeout=_BROKER_WAIT_S) if broker_url else None
        self.away: list[str] = []

    @property
    def shares_limits(self) -> bool:
        """Whether the fleet has a shared limiter at all."""
        return self._client is not None

    def close(self) -> None:
        """Close every connection but the ledger's."""
        if self._client is not None:
            self._client.close()
        if self._broker is not None:
            self._broker.release()

    def look(self, lanes: Sequence[str], at: datetime) -> list[LaneView]:
        """The lanes as they are. Raises one of LedgerUnavailable."""
        self.away = [] if self._client else [_NO_REDIS]
        with self.ledger.read() as session:
            rules = read_rules(session, at)
            cells = cells_of(session, lanes)
            paces = standing.paces(session, at - timedelta(seconds=PACE_S))
        per_s = {pace.target: pace.done / max(1.0, (at - pace.since).total_seconds()) for pace in paces}
        messages = self._messages(lanes)
        views = []
        for lane in lanes:
            target = names.target_of(lane)
            limit = rules.limit(self._fleet, target) if target else None
            status = self._status(target, limit) if target and limit else None
            waiting = waiting_of(lane, cells[lane], messages, at)
            pace = per_s.get(target, 0.0) if target else None
            views.append(LaneView(lane, target, limit, status, waiting, rules.state(self._fleet, lane, at), pace))
        return views

    def samples(self, target: str, limit: Limit, since_s: float) -> list[Sample]:
        """A target's last seconds, oldest first; the one that nobody has put away yet by ``limit``. Raises OutOfReachError."""
        if self._client is None:
            raise OutOfReachError(_NO_REDIS)
        return RedisThrottle(self._client, target, limit).samples(since_s)

    def _status(self, target: str, limit: Limit) -> LaneStatus | None:
        if self._client is None:
            return None
        try:
            return RedisThrottle(self._client, target, limit).status()
        except (OutOfReachError, redis.RedisError, OSError) as error:
            self._miss(f"Redis does not answer ({type(error).__name__}): limiters are not shown")
            return None

    def _messages(self, lanes: Sequence[str]) -> Mapping[str, int]:
        if self._broker is None:
            return {}
        try:
            self._broker.ensure_connection(max_retries=1, interval_start=0, timeout=_BROKER_WAIT_S)
            return ready_messages(self._broker, lanes)
        except (OSError, AMQPError, OperationalError) as error:
            self._miss(f"the broker does not answer ({type(error).__name__}): messages are not counted")
            with contextlib.suppress(OSError, AMQPError, OperationalError):
                self._broker.release()
            return {}

    def _miss(self, what: str) -> None:
        if what not in self.away:
            self.away.append(what)
