"""Runs the reading of measured service times for commands that predict."""

from typing import TYPE_CHECKING

from workers.cli.output import say
from workers.cli.wiring import open_ledger, told_if_away

if TYPE_CHECKING:
    from config.settings import Settings
    from workers.rehearse.service import Service


def measured(loaded: "Settings", given: "Service") -> "Service":
    """``given`` with what the ledger's newest attempts and the limiters tell; says for which targets there is too little."""
    from ledger import measured as ledger_measured
    from workers.rehearse.measured import LEAST, service_of

    with told_if_away("is it up, and migrated (millrace db upgrade)?"):
        opened = open_ledger(loaded)
        try:
            with opened.read() as session:
                told = ledger_measured.latest(session)
        finally:
            opened.close()
    found = service_of(told, _latencies(loaded), given)
    for target in loaded.fleet.targets:
        if target not in found.targets:
            say(f"fewer than {LEAST} attempts at {target} lately: assumed times, not measured ones")
    return found


def _latencies(loaded: "Settings") -> dict[str, float | None]:
    import redis

    from adapters.throttle.base import OutOfReachError
    from adapters.throttle.redis import RedisThrottle, connect
    from workers.lane_rules import filed_limit

    url = loaded.redis_url.get_secret_value()
    if not url:
        return {}
    client = connect(url)
    try:
        return {
            name: RedisThrottle(client, name, filed_limit(loaded.fleet, name)).status().latency_s for name in loaded.fleet.targets
        }
    except (OutOfReachError, redis.RedisError, OSError) as error:
        say(f"Redis does not answer ({type(error).__name__}): attempts hold their waits for the limiter")
        return {}
    finally:
        client.close()
