"""Runs the console's sessions: who is signed in, kept in this process, named by a signed cookie, ended by age, rest or hand."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from itsdangerous import BadSignature, Signer

from workers.console.users import Entry, Users

MOST = 1_000
MOST_EACH = 10


@dataclass(slots=True)
class Session:
    """One sign-in of one person."""

    id: str
    entry: Entry
    born: datetime
    seen: datetime
    words: list[tuple[str, str]] = field(default_factory=list)
    """What the next page tells: kind (``good``, ``bad``) and words."""

    def take_words(self) -> list[tuple[str, str]]:
        """What is to be told, once."""
        told, self.words = self.words, []
        return told


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lasts: altogether, and without a request."""

    whole_s: float
    idle_s: float


class Sessions:
    """All sessions of this process; they end with it. Thread-safe."""

    def __init__(self, users: Users, lifetime: Lifetime, now: Callable[[], datetime]) -> None:
        self._users = users
        self._lifetime = lifetime
        self._now = now
        self._key = secrets.token_bytes(32)
        self._signer = Signer(self._key, salt="console session", digest_method=hashlib.sha256)
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, entry: Entry) -> tuple[Session, str]:
        """A new session and the cookie that names it. The oldest of the person, or of all, makes room."""
        now = self._now()
        made = Session(secrets.token_urlsafe(32), entry, now, now)
        with self._lock:
            own = [one for one in self._open.values() if one.entry.name == entry.name]
            for old in sorted(own, key=lambda one: one.seen)[: max(0, len(own) - MOST_EACH + 1)]:
                del self._open[old.id]
            if len(self._open) >= MOST:
                del self._open[min(self._open.values(), key=lambda one: one.seen).id]
            self._open[made.id] = made
        return made, self._signer.sign(made.id).decode()

    def find(self, cookie: str | None, *, touch: bool = True) -> Session | None:
        """The session that a cookie names, if it has not ended. ``touch``: this is a person's request, idleness starts anew."""
        try:
            name = self._signer.unsign(cookie or "").decode()
        except (BadSignature, UnicodeError):
            return None
        with self._lock:
            found = self._open.get(name)
        if found is None:
            return None
        if not self.alive(found):
            self.end(found)
            return None
        if touch:
            found.seen = self._now()
        return found

    def alive(self, session: Session) -> bool:
        """Whether it lasts still: within its times, not ended, its user as they were when they signed in."""
        now = self._now()
        lasts = now - session.born < timedelta(seconds=self._lifetime.whole_s)
        lasts = lasts and now - session.seen < timedelta(seconds=self._lifetime.idle_s)
        return lasts and session.id in self._open and self._users.find(session.entry.name) == session.entry

    def end(self, session: Session) -> None:
        """Sign out."""
        with self._lock:
            self._open.pop(session.id, None)

    def ends_at(self, session: Session) -> datetime:
        """When it ends whatever happens."""
        return session.born + timedelta(seconds=self._lifetime.whole_s)

    def token(self, of: str) -> str:
        """The token that a post for this session (its id) or this form must bring."""
        return hmac.new(self._key, f"token {of}".encode(), hashlib.sha256).hexdigest()

    def is_token(self, of: str, told: str) -> bool:
        """Whether it is; in constant time."""
        return hmac.compare_digest(self.token(of).encode(), told.encode("utf-8", errors="replace"))
