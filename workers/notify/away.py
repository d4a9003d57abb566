"""Runs the one alert that cannot be a row, for the ledger is away: told straight, by one relay of all that see it."""

from datetime import datetime
from typing import Protocol, cast
from uuid import uuid4

import redis

from ledger.alerts import Alert
from ledger.notices import Notice
from workers.notify import book
from workers.notify.destinations import Destinations
from workers.notify.rules import LEDGER_AWAY
from workers.notify.wording import body_of

LEDGER_AWAY_AFTER_S = 60.0
SENDING_S = 60
"""A relay that died while it told leaves the telling to the others after this time."""
TOLD_S = 14_400
"""Away for longer, it is told again."""
AT_ONCE_MS = 1
"""How a mark ends: the relay's user of Redis needs no right to delete."""
_SENDING = "sending"


class Marks(Protocol):
    """What relays agree by while the ledger is away; every method raises redis.RedisError where that is out of reach."""

    def claim(self, destination: str) -> bool:
        """Whether it is ours to tell: nobody has told and nobody is telling."""
        ...

    def told(self, destination: str, since: datetime) -> None:
        """It was told that the ledger is away since then."""
        ...

    def give_up(self, destination: str) -> None:
        """It could not be told: another relay may try."""
        ...

    def take(self, destination: str) -> datetime | None:
        """Since when it was told to be away, to the first who asks; nothing to the others."""
        ...


class RedisMarks:
    """Marks in the Redis that the limiters share."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def claim(self, destination: str) -> bool:
        return bool(self._client.set(_key(destination), _SENDING, nx=True, ex=SENDING_S))

    def told(self, destination: str, since: datetime) -> None:
        self._client.set(_key(destination), since.isoformat(), ex=TOLD_S)

    def give_up(self, destination: str) -> None:
        self._client.set(_key(destination), _SENDING, px=AT_ONCE_MS)

    def take(self, destination: str) -> datetime | None:
        found = cast("str | None", self._client.set(_key(destination), _SENDING, px=AT_ONCE_MS, get=True))
        # Who is sending marks it as told after us, and asks again itself.
        return datetime.fromisoformat(found) if found and found != _SENDING else None


class LedgerAway:
    """Told to every destination once a time it is away. Without ``marks``, or where they are out of reach as well, each
    relay tells by itself.
    """

    def __init__(self, destinations: Destinations, installation: str, marks: Marks | None = None) -> None:
        self._destinations = destinations
        self._installation = installation
        self._marks = marks
        self._since: tuple[datetime, float] | None = None
        self._told: dict[str, datetime] = {}
        self._unasked = marks is not None

    def silent(self, now: datetime, clock_s: float) -> None:
        """The ledger did not answer; ``clock_s`` is monotonic."""
        if self._since is None:
            self._since = (now, clock_s)
        self._unasked = self._marks is not None
        if clock_s - self._since[1] >= LEDGER_AWAY_AFTER_S:
            for name in self._destinations.by_name:
                if name not in self._told:
                    self._tell(name, self._since[0], now)

    def ended(self, now: datetime) -> dict[str, dict[str, object]]:
        """What is to be told now that the ledger answers, by destination; nothing where nothing was told or another tells."""
        if self._marks is not None and self._unasked:
            self._take(self._marks)
        return {name: self._body("resolved", since, now) for name, since in sorted(self._told.items())}

    def forget(self) -> None:
        """It is over, and its end is in the ledger."""
        self._since = None
        self._told.clear()

    def _take(self, marks: Marks) -> None:
        try:
            for name in self._destinations.by_name:
                since = marks.take(name)
                if since is not None:
                    self._told[name] = since
        except redis.RedisError:
            # A mark that stays would keep the next time from being told: asked again in the next round.
            return
        self._unasked = False

    def _tell(self, name: str, since: datetime, now: datetime) -> None:
        if not self._ours(name):
            return
        notice = Notice(0, name, uuid4().hex, self._body("firing", since, now), 1, now)
        taken = not self._destinations.by_name[name].send(notice)
        if not self._marked(name, since if taken else None) and taken:
            self._told[name] = since

    def _ours(self, name: str) -> bool:
        try:
            return self._marks is None or self._marks.claim(name)
        except redis.RedisError:
            return True

    def _marked(self, name: str, told_since: datetime | None) -> bool:
        """Whether the others know now that it was told, or that it was not (None)."""
        if self._marks is None:
            return False
        try:
            if told_since is None:
                self._marks.give_up(name)
            else:
                self._marks.told(name, told_since)
        except redis.RedisError:
            return False
        return True

    def _body(self, state: str, since: datetime, now: datetime) -> dict[str, object]:
        away, ended = LEDGER_AWAY, now if state == "resolved" else None
        alert = Alert(
            away.fingerprint, away.name, away.severity, {}, away.summary, away.runbook, book.OWN, state, since, now, since, ended
        )  # fmt: skip
        return body_of(book.Group(alert.name, state, (alert,)), self._installation, now)


def _key(destination: str) -> str:
    return f"millrace:alerts:ledger-away:{destination}"
