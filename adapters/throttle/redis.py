"""Throttle shared by the fleet: permits in Redis, one atomic script, one clock."""

import os
import secrets
import threading
import time
from collections.abc import Iterable
from importlib import resources
from typing import Protocol, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters.throttle.base import FULL, ONE_CALL, Ask, Denied, Granted, Limit, OutOfReachError, Report
from adapters.throttle.keeper import Keeper

LEASE_LIFE_S = 5.0
HOLD_MAX_S = 900.0
SOCKET_WAIT_S = 0.5
FULL_WAIT_S = (0.005, 0.05)

_KEEPER = Keeper(every_s=LEASE_LIFE_S / 4)


class Scripts(Protocol):
    """What this throttle needs of a Redis client (redis-py and fakeredis have it)."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: str) -> object: ...
    def script_load(self, script: str) -> object: ...


def connect(url: str, wait_s: float = SOCKET_WAIT_S) -> redis.Redis:
    """A client that gives up after ``wait_s`` (connecting, and again waiting for an answer) and never retries by
    itself.

    A repeated script call could take a permit twice; a lost Redis is the fallback's business.
    """
    return redis.Redis.from_url(
        url, socket_timeout=wait_s, socket_connect_timeout=wait_s, retry=Retry(NoBackoff(), 0), decode_responses=True
    )


class RedisThrottle:
    """One account's limiter in Redis. Raises OutOfReachError when Redis does not answer in time or refuses to work.

    A lease lives ``lease_life_s`` and is renewed in the background while this process lives and holds it, at most
    ``hold_max_s`` after it was taken or extended (a leak must end). Killed process: its leases are back after
    ``lease_life_s``.
    """

    def __init__(
        self,
        client: Scripts,
        account: str,
        limit: Limit,
        *,
        lease_life_s: float = LEASE_LIFE_S,
        hold_max_s: float = HOLD_MAX_S,
        keeper: Keeper = _KEEPER,
    ) -> None:
        self._client = client
        # The braces keep both keys in one slot of a Redis cluster.
        self._keys = (f"millrace:throttle:{{{account}}}:bucket", f"millrace:throttle:{{{account}}}:leases")
        self._account = account
        self._life_s = lease_life_s
        self._hold_max_s = hold_max_s
        self._keeper = keeper
        self._script = resources.files("adapters.throttle").joinpath("permits.lua").read_text("utf-8")
        self._sha = ""
        self._limits = (_number(limit.rate_per_s), str(limit.burst), str(limit.concurrency or 0), _micros(lease_life_s))
        self._known = False
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._held: dict[str, float] = {}
        self._full_wait_s = FULL_WAIT_S[0]

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        """Take request tokens (capped at the burst) and one lease, all or nothing."""
        return self._take(secrets.token_hex(12), ask.calls, 0)

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more tokens under a held lease. A lease that ran out is taken anew if there is room."""
        return self._take(permit.lease, calls, permit.calls)

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give back the lease and ``unspent`` tokens (never above the burst). Out of reach: the lease ends by
        itself.
        """
        self.forget(permit.lease)
        self._run("give", permit.lease, str(max(0, min(unspent, permit.calls))))

    def pause(self, wait_s: float, reason: str) -> None:
        """Close the account for the whole fleet; never shortens a longer pause."""
        self._run("pause", _micros(wait_s), reason)

    def report(self, seen: Report) -> None:
        """Tell what came of one exchange."""

    def held(self) -> tuple[str, ...]:
        """Leases this process holds."""
        with self._own():
            return tuple(self._held)

    def forget(self, lease: str) -> None:
        """Stop renewing a lease without telling Redis: it ends by its own life."""
        with self._own():
            self._held.pop(lease, None)

    def adopt(self, leases: Iterable[str]) -> None:
        """Count leases granted elsewhere as held here; the next renewal or ``rejoin`` registers them."""
        for lease in leases:
            self._remember(lease)

    def rejoin(self, outage_s: float, hold_s: float) -> None:
        """Sign in again after ``outage_s`` without Redis, with every lease held here. When the whole fleet was cut off,
        the bucket starts empty and grants nothing for ``hold_s``, so that every worker can sign in first.
        """
        self._run("rejoin", _micros(outage_s), _micros(hold_s), *self.held())

    def _take(self, lease: str, calls: int, already: int) -> Granted | Denied:
        if calls < 1:
            raise ValueError(f"{calls} calls asked of {self._account}: ask for at least 1")
        granted, got, wait_us, reason = self._run("take", lease, str(calls))
        if granted:
            self._remember(lease)
            self._full_wait_s = FULL_WAIT_S[0]
            return Granted(lease, already + got)
        if reason == FULL:
            return Denied(max(wait_us / 1e6, self._next_full_wait_s()), reason)
        return Denied(wait_us / 1e6, reason)

    def _next_full_wait_s(self) -> float:
        # Nobody knows when a lease comes back: ask soon, then less often.
        wait_s, self._full_wait_s = self._full_wait_s, min(self._full_wait_s * 2, FULL_WAIT_S[1])
        return wait_s

    def _run(self, verb: str, *args: str) -> tuple[int, int, int, str]:
        argv = (*self._keys, verb, *self._limits, "1" if self._known else "0", *args)
        try:
            answer = self._evaluate(argv)
        except (redis.RedisError, OSError) as error:
            what = f"throttle of {self._account}: Redis does not answer ({type(error).__name__})"
            raise OutOfReachError(what) from error
        self._known = True
        granted, calls, wait_us, reason = cast("tuple[int, int, int, str | bytes]", tuple(cast("list[object]", answer)))
        return granted, calls, wait_us, reason.decode() if isinstance(reason, bytes) else reason

    def _evaluate(self, argv: tuple[str, ...]) -> object:
        if not self._sha:
            self._load()
        try:
            return self._client.evalsha(self._sha, 2, *argv)
        except redis.exceptions.NoScriptError:
            self._load()
            return self._client.evalsha(self._sha, 2, *argv)

    def _load(self) -> None:
        sha = self._client.script_load(self._script)
        self._sha = sha.decode() if isinstance(sha, bytes) else str(sha)

    def _own(self) -> threading.Lock:
        # After a fork the leases are the parent's, and its lock may be held by a thread that does not exist here.
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def _remember(self, lease: str) -> None:
        with self._own():
            self._held[lease] = time.monotonic()
        self._keeper.watch(self._renew)

    def _renew(self) -> bool:
        now = time.monotonic()
        with self._own():
            self._held = {lease: since for lease, since in self._held.items() if since > now - self._hold_max_s}
            due = [lease for lease, since in self._held.items() if since < now - self._life_s / 5]
            holding = bool(self._held)
        try:
            if due and self._run("keep", *due)[1]:
                self._sign_again(due)
        except OutOfReachError:
            # Still held: the next round tries again, and a rejoin signs them in.
            return True
        return holding

    def _sign_again(self, leases: list[str]) -> None:
        still = set(self.held()).intersection(leases)
        if still:
            self._run("sign", *still)


def _number(value: float | None) -> str:
    return "0" if value is None else repr(float(value))


def _micros(seconds: float) -> str:
    return str(round(seconds * 1_000_000))
