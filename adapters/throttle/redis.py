"""Throttle shared by the fleet: permits in Redis, one atomic script, one clock."""

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import resources
from typing import Any, NamedTuple, Protocol, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters.throttle.account import Marks
from adapters.throttle.base import FULL, ONE_CALL, Ask, Denied, Granted, Limit, OutOfReachError, Report
from adapters.throttle.keeper import Keeper
from adapters.throttle.lessons import judged
from adapters.throttle.news import News
from adapters.throttle.status import KEPT_S, LaneStatus, Sample
from adapters.throttle.terms import Terms, terms_of
from adapters.throttle.view import samples_from, status_from

LEASE_LIFE_S = 1.6
"""A killed process renews nothing: its leases are back after this time."""
HOLD_MAX_S = 900.0
SOCKET_WAIT_S = 0.5
FULL_WAIT_S = (0.005, 0.05)
NEWS_WAIT_S = 0.25
"""News waits this long at most, and a lane that nothing bounds is looked after this often."""
FREE = "free"
"""The lease of a permit in a lane that nothing bounds."""

_SCRIPT = ("meters.lua", "learning.lua", "account.lua", "lessons.lua", "permits.lua")
_KEEPER = Keeper(every_s=NEWS_WAIT_S)


class Scripts(Protocol):
    """What this throttle needs of a Redis client (redis-py and fakeredis have it)."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: str) -> object: ...
    def script_load(self, script: str) -> object: ...


class Said(NamedTuple):
    """The script's answer."""

    granted: int
    calls: int
    wait_us: int
    reason: str
    operation: str
    probe: int
    marks: str


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
    ``lease_life_s``. ``clock`` (epoch seconds) says on which day a budget is; all else goes by Redis's own time.

    A lane that nothing bounds costs no call to Redis for each permit: what its answers taught, and a pause another
    worker set, is exchanged every ``NEWS_WAIT_S``.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        # The braces keep both keys in one slot of a Redis cluster.
        self._keys = (f"millrace:throttle:{{{account}}}:state", f"millrace:throttle:{{{account}}}:samples")
        self._account = account
        self._life_s = lease_life_s
        self._hold_max_s = hold_max_s
        self._keeper = keeper
        folder = resources.files("adapters.throttle")
        self._script = "".join(folder.joinpath(name).read_text("utf-8") for name in _SCRIPT)
        self._sha = ""
        self._terms = terms_of(limit, clock())
        self._clock = clock
        self._marks = ""
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._held: dict[str, float] = {}
        self._news = News()
        self._full_wait_s = FULL_WAIT_S[0]
        self._free_until = 0.0

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        """Take request tokens (capped at the burst) and one lease, all or nothing."""
        if self._terms.free and self._free():
            self._news.granted(ask.calls)
            return Granted(FREE, ask.calls, operation=ask.operation, at_once=ask.at_once)
        return self._take(secrets.token_hex(8), ask.calls, 0, ask.operation, ask.scale)

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        """Take more tokens under a held lease. A lease that ran out is taken anew if there is room."""
        lease = permit.lease
        if lease == FREE:
            if self._terms.free and self._free():
                self._news.granted(calls)
                return replace(permit, calls=permit.calls + calls)
            lease = secrets.token_hex(8)
        return self._take(lease, calls, permit.calls, permit.operation, 0.0)

    def release(self, permit: Granted, unspent: int = 0) -> None:
        """Give back the lease and ``unspent`` tokens (never above the burst). Out of reach: the lease ends by
        itself.
        """
        if permit.lease != FREE:
            self.forget(permit.lease)
            self._run("give", permit.lease, str(max(0, min(unspent, permit.calls))))

    def pause(self, wait_s: float, reason: str) -> None:
        """Close the account for the whole fleet; never shortens a longer pause."""
        self._free_until = 0.0
        self._run("pause", repr(float(wait_s)), reason)

    def report(self, seen: Report) -> None:
        """Tell what came of one exchange: a refusal or failure at once, the rest with the next call or within
        ``NEWS_WAIT_S``.
        """
        self._own()
        if self._news.add(judged(seen, self._terms.limit)):
            self._keeper.watch(self._renew)
        else:
            self._exchange()

    def sent(self, permit: Granted) -> None:
        """Tell with the next call, or within ``NEWS_WAIT_S``, that a call of the permit has left."""
        if permit.lease != FREE:
            self._own()
            self._news.sent(permit.lease)

    def adjust(self, limit: Limit) -> None:
        """Another limit from the next call on; what was counted and learned stays."""
        self._terms, self._free_until = terms_of(limit, self._clock()), 0.0

    def status(self) -> LaneStatus:
        """The lane now; needs no permit and no earlier call."""
        return status_from(self._terms.limit, self._look(60), self._read_marks())

    def samples(self, since_s: float) -> list[Sample]:
        """One sample for each second with traffic since ``since_s`` ago, oldest first."""
        told = self._look(KEPT_S)
        return [one for one in samples_from(told) if one.at >= told["now"] - since_s]

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

    def marks(self) -> Marks:
        """What windows and budgets of the account had counted when Redis last answered."""
        return self._read_marks()

    def rejoin(self, outage_s: float, hold_s: float, spent: int = 0) -> None:
        """Sign in again after ``outage_s`` without Redis, with every lease held here and ``spent`` calls made meanwhile.
        When the whole fleet was cut off, the bucket starts empty and grants nothing for ``hold_s``, so that every
        worker can sign in first.
        """
        self._run("rejoin", repr(outage_s), repr(hold_s), str(spent), *self.held())

    def _free(self) -> bool:
        if time.monotonic() < self._free_until and self._pid == os.getpid():
            return True
        self._own()
        return self._exchange()

    def _exchange(self) -> bool:
        """Tell the news and hear whether anything bounds a lane whose limit does not."""
        free = self._run("news").reason == ""
        self._free_until = time.monotonic() + NEWS_WAIT_S if free and self._terms.free else 0.0
        return free

    def _take(self, lease: str, calls: int, already: int, operation: str, scale: float) -> Granted | Denied:
        extends = "1" if already else "0"
        said = self._run("take", lease, str(calls), operation, repr(scale), extends)
        if said.granted:
            self._remember(lease)
            self._full_wait_s = FULL_WAIT_S[0]
            return Granted(lease, already + said.calls, bool(said.probe), operation)
        if said.reason == FULL:
            return Denied(max(said.wait_us / 1e6, self._next_full_wait_s()), FULL, said.operation)
        return Denied(said.wait_us / 1e6, said.reason, said.operation)

    def _next_full_wait_s(self) -> float:
        # Nobody knows when a lease comes back: ask soon, then less often.
        wait_s, self._full_wait_s = self._full_wait_s, min(self._full_wait_s * 2, FULL_WAIT_S[1])
        return wait_s

    def _look(self, seconds: int) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self._run("look", str(seconds)).reason))

    def _read_marks(self) -> Marks:
        told = json.loads(self._marks or "{}")
        return [int(calls) for calls in told.get("windows") or []], [
            (began, int(spent)) for began, spent in told.get("days") or []
        ]

    def _in_force(self) -> Terms:
        if self._clock() >= self._terms.good_until:
            self._terms = terms_of(self._terms.limit, self._clock())
        return self._terms

    def _run(self, verb: str, *args: str) -> Said:
        news = "" if verb == "look" else self._news.take()
        argv = (*self._keys, verb, self._in_force().text, repr(self._life_s), self._marks, news, *args)
        try:
            answer = self._evaluate(argv)
        except (redis.RedisError, OSError) as error:
            what = f"throttle of {self._account}: Redis does not answer ({type(error).__name__})"
            raise OutOfReachError(what) from error
        told = (one.decode() if isinstance(one, bytes) else one for one in cast("list[object]", answer))
        said = Said(*cast("tuple[int, int, int, str, str, int, str]", tuple(told)))
        self._marks = said.marks
        return said

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
            if due and self._run("keep", *due).calls:
                self._sign_again(due)
            elif self._news.waiting:
                self._exchange()
        except OutOfReachError:
            # Still held: the next round tries again, and a rejoin signs them in.
            return True
        return holding

    def _sign_again(self, leases: list[str]) -> None:
        still = set(self.held()).intersection(leases)
        if still:
            self._run("sign", *still)
