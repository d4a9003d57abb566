"""Runs everything that watches, beside the relay: figures for Prometheus, the notifier, the inbox for Alertmanager."""

import json
import threading
from collections.abc import Iterable

from adapters.throttle.redis import connect
from config.settings import Settings
from ledger.session import Ledger
from telemetry.backlog import BacklogSample, backlog_collector
from telemetry.figures import FIGURES, READABLE
from telemetry.gauges import Kept, Reading, gauges_collector
from telemetry.lanes import BREAKER_STATES, LaneSample, lanes_collector
from telemetry.metrics import Metrics
from workers.bootstrap import now
from workers.broker_alarm import BrokerAlarm
from workers.business_figures import business_of
from workers.lane_metrics import backlog_of, lanes_of
from workers.lanes import Lookout
from workers.notify.away import RedisMarks
from workers.notify.book import Manners
from workers.notify.destinations import destinations_of
from workers.notify.inbox import open_inbox
from workers.notify.notifier import Notifier
from workers.scaling import as_json, pool_signals
from workers.watch import Watch, promises_of

WATCH_EVERY_S = 5.0
BUSINESS_EVERY_S = 15.0
CHAIN_EVERY_S = 600.0


class Watching:
    """Shows figures from its making on; `run` is the notifier's loop. One look a few seconds, however often it is asked."""

    def __init__(self, settings: Settings, opened: Ledger, measured: Metrics) -> None:
        """Raises ConfigError for a destination or inbox that cannot be, OSError if the inbox's port is taken."""
        fleet = self._fleet = settings.fleet
        self._ledger = opened
        self._drain_within_s = settings.scale_drain_within_s
        redis_url = settings.redis_url.get_secret_value()
        self._lookout = Lookout(fleet, opened, redis_url=redis_url)
        api_url = settings.broker_api_url.get_secret_value()
        self._alarm = BrokerAlarm(api_url) if api_url else None
        watch = Watch(opened, fleet, self._lookout, self._alarm)
        self._watched = Kept(watch.read, WATCH_EVERY_S)
        self._business = Kept(lambda: business_of(opened, fleet, now()), BUSINESS_EVERY_S)
        self._chain = Kept(watch.chain, CHAIN_EVERY_S)
        levels = fleet.service_levels
        self._notifier = Notifier(
            opened,
            self._noticed,
            destinations_of(settings),
            promises=promises_of(levels),
            bounds={"urgent_backlog_s": levels.urgent_backlog_s, "longest_backlog_s": levels.longest_backlog_s},
            installation=settings.environment,
            manners=Manners(settings.notify_group_wait_s, settings.notify_repeat_s, settings.notify_clear_after_s),
            now=now,
            marks=RedisMarks(connect(redis_url)) if redis_url else None,
        )
        self._inbox = open_inbox(settings, self._notifier.take)
        measured.show(backlog_collector(self._backlog))
        measured.show(lanes_collector(self._lanes))
        measured.show(gauges_collector(FIGURES, READABLE, lambda: (*self._watched(), *self._business(), *self._chain())))

    def scale(self) -> bytes:
        """How many workers of each pool pay now, as JSON for autoscalers. Raises one of LedgerUnavailable."""
        return json.dumps(as_json(pool_signals(self._fleet, self._lookout, self._drain_within_s))).encode()

    def _backlog(self) -> Iterable[BacklogSample]:
        return backlog_of(self._ledger, self._fleet.families)

    def _lanes(self) -> Iterable[LaneSample]:
        return lanes_of(self._lookout, self._fleet.families)

    def _noticed(self) -> tuple[Reading, ...]:
        """What the alerts are made of."""
        return (*self._watched(), *self._chain(), *of_backlog(self._backlog()), *of_lanes(self._lanes()))

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``."""
        try:
            self._notifier.run(stop)
        finally:
            if self._inbox is not None:
                self._inbox.close()
            if self._alarm is not None:
                self._alarm.close()
            self._lookout.close()


def of_backlog(samples: Iterable[BacklogSample]) -> list[Reading]:
    """Ages of what waits to be picked, as the metrics tell them; what is parked waits for a person and has a due time."""
    return [
        Reading(
            "millrace_backlog_oldest_age_seconds", one.oldest_age_s, {"family": one.family, "class": one.cls, "state": one.state}
        )
        for one in samples
        if one.oldest_age_s is not None and one.state not in ("parked", "waiting")
    ]


def of_lanes(samples: Iterable[LaneSample]) -> list[Reading]:
    """States of the breakers, as the metrics tell them."""
    return [
        Reading(
            "millrace_lane_breaker_state", BREAKER_STATES.get(state, 2), {"target": one.target, "operation": operation or "all"}
        )
        for one in samples
        if one.target is not None and one.limiter is not None
        for operation, state in one.limiter.breakers.items()
    ]
