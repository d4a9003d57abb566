"""Runs the wiring: the only file that knows every part. Nothing connects before it is used; one context a process."""

import os
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from adapters.channels.base import Channel
from adapters.channels.registry import CHANNELS
from adapters.erps.base import Account, Erp
from adapters.erps.registry import ERPS
from adapters.http.caller import Observation
from adapters.http.client import Client
from adapters.services.registry import SERVICES
from adapters.throttle.base import Limit, Throttle
from adapters.throttle.configured import limit_of
from adapters.throttle.fallback import FallbackThrottle, Notice
from adapters.throttle.local import LocalThrottle
from config.fleet import Fleet, Target
from config.nearest import ConfigError, hint
from config.settings import Secrets, Settings
from config.topology import load_topology
from ledger.session import Ledger
from routing.publish import BrokerPublisher
from tasks.context import Context
from telemetry import Name, emit

ADAPTERS = ERPS | SERVICES
"""Builders of everything that a target may be, by the adapter's name."""


def build_context(settings: Settings, secrets: Secrets, *, delivers: bool = True) -> Context:
    """Everything the tasks work with. Raises ConfigError for an unknown adapter, channel, option or missing secret.

    ``delivers`` False leaves out the way to the targets: clients and throttles, which take their time to load.
    """
    fleet = settings.fleet
    erps = {name: build_erp(name, target, secrets, settings.sandbox_url) for name, target in fleet.targets.items()}
    return Context(
        fleet=fleet,
        topology=load_topology(),
        ledger=Ledger(settings.ledger_url.get_secret_value(), audit_keys=settings.audit_keys),
        publisher=BrokerPublisher(settings.broker_url.get_secret_value()),
        channels=build_channels(fleet),
        erps=erps,
        clients={name: Client(erp.http) for name, erp in erps.items()} if delivers else {},
        throttles=build_throttles(fleet, settings.redis_url.get_secret_value()) if delivers else {},
        observe=observe,
        now=now,
        draw=random.random,
    )


def close_context(context: Context) -> None:
    """Close every connection of a context."""
    context.publisher.close()
    context.ledger.close()
    for client in context.clients.values():
        client.close()


def per_process(build: Callable[[], Context]) -> Callable[[], Context]:
    """A context made at first use in each process: connections do not survive a fork."""
    made: dict[int, Context] = {}

    def context() -> Context:
        pid = os.getpid()
        if pid not in made:
            made.clear()
            made[pid] = build()
        return made[pid]

    return context


def build_channels(fleet: Fleet) -> Mapping[str, Channel]:
    """The channel of each source. Raises ConfigError naming the nearest channel."""
    channels = {}
    for name, source in fleet.sources.items():
        if source.channel not in CHANNELS:
            raise ConfigError(f"sources.{name}: no channel {source.channel!r}; {hint(source.channel, CHANNELS)}")
        channels[name] = CHANNELS[source.channel]
    return channels


def build_erp(name: str, target: Target, secrets: Secrets, sandbox_url: str = "") -> Erp:
    """The adapter of a target; in the url of one marked so ``sandbox_url`` takes the place of the host. Raises ConfigError."""
    if target.adapter not in ADAPTERS:
        raise ConfigError(f"targets.{name}: no adapter {target.adapter!r}; {hint(target.adapter, ADAPTERS)}")
    secret = secrets[target.secret].decode() if target.secret else ""
    url = sandbox_url + urlsplit(target.url).path.rstrip("/") if target.sandbox and sandbox_url else target.url
    account = Account(name, url, secret, target.max_execution_s, target.answer_timeout_s, target.options)
    try:
        return ADAPTERS[target.adapter](account)
    except ValueError as error:
        raise ConfigError(f"targets.{name}: {error}") from None


def build_throttles(fleet: Fleet, redis_url: str) -> Mapping[str, Throttle]:
    """One limiter a target, shared through Redis; without Redis each process limits itself alone.

    Raises ConfigError for a limit that could never grant.
    """
    limits = {name: build_limit(name, target) for name, target in fleet.targets.items()}
    if not redis_url:
        return {name: LocalThrottle(limit) for name, limit in limits.items()}
    from adapters.throttle.redis import RedisThrottle, connect  # noqa: PLC0415  Redis's client is slow to load

    client = connect(redis_url)
    return {
        name: FallbackThrottle(RedisThrottle(client, name, limit), limit, account=name, notify=_tell_fallback)
        for name, limit in limits.items()
    }


def build_limit(name: str, target: Target) -> Limit:
    """What a target's table allows. Raises ConfigError for a limit that could never grant."""
    try:
        return limit_of(target.limit, target.answer_timeout_s)
    except ValueError as error:
        raise ConfigError(f"targets.{name}.limit: {error}") from None


def observe(seen: Observation) -> None:
    """Tell an exchange with a target."""
    emit(
        Name.ERP_EXCHANGE_STOP,
        target=seen.target,
        operation=seen.operation,
        method=seen.method,
        result=seen.status_class,
        duration_s=seen.elapsed_s,
    )


def now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


def _tell_fallback(notice: Notice) -> None:
    emit(notice.event, target=notice.account, reason=notice.reason)
