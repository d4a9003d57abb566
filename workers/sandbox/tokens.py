"""Access tokens of the sandbox: given for client credentials, good for a while."""

import secrets
import time
from collections.abc import Callable


class Tokens:
    """Issues bearer tokens and knows which are still good. ``fixed`` is one that never ends, for simple clients."""

    def __init__(self, fixed: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fixed = fixed
        self._ends: dict[str, float] = {}

    def issue(self, ttl_s: float) -> str:
        """A new token, good for ``ttl_s`` seconds."""
        now = self._clock()
        self._ends = {token: end for token, end in self._ends.items() if end > now}
        token = secrets.token_urlsafe(24)
        self._ends[token] = now + ttl_s
        return token

    def good(self, header: bytes) -> bool:
        """Whether an Authorization header carries a token that still holds."""
        scheme, _, token = header.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return False
        if self._fixed is not None and secrets.compare_digest(token.encode(), self._fixed.encode()):
            return True
        return self._ends.get(token, 0.0) > self._clock()

    def revoke_all(self) -> None:
        """End every issued token, as a rotated certificate does."""
        self._ends.clear()
