"""Remembers deeds as links of one hash chain: what a link holds, and how it is checked without the database."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

START = "0" * 64
"""What the first link follows."""


@dataclass(frozen=True, slots=True)
class Action:
    """One deed, or one that was refused. ``subject`` is a lane or a window (``deliver.netsuite``), a failure's key (``d34``)
    or a job (``job 5``); ``role`` is empty where the command line's own user acted.
    """

    at: datetime
    by: str
    action: str
    subject: str
    reason: str
    before: Mapping[str, object]
    after: Mapping[str, object]
    role: str = ""
    allowed: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A deed at its place. ``digest`` covers the deed, its place and the digest before; ``seal`` is the key's over the digest."""

    sequence: int
    previous: str
    digest: str
    seal: str | None
    done: Action


def link(done: Action, sequence: int, previous: str, keys: Sequence[bytes]) -> Link:
    """The deed as the next link. The first of ``keys`` seals it; without one it has no seal."""
    digest = digest_of(done, sequence, previous)
    return Link(sequence, previous, digest, seal_of(digest, keys[0]) if keys else None, done)


def digest_of(done: Action, sequence: int, previous: str) -> str:
    """SHA-256, in hex, of the deed's canonical form: JSON, keys sorted, no blanks, times in UTC to the microsecond."""
    form = {
        "sequence": sequence,
        "previous": previous,
        "at": done.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "by": done.by,
        "role": done.role,
        "action": done.action,
        "subject": done.subject,
        "reason": done.reason,
        "allowed": done.allowed,
        # As a database gives them back: keys are text there.
        "before": json.loads(json.dumps(dict(done.before))),
        "after": json.loads(json.dumps(dict(done.after))),
    }
    return hashlib.sha256(json.dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seal_of(text: str, key: bytes) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def sealed(text: str, seal: str, keys: Iterable[bytes]) -> bool:
    """Whether one of the keys made the seal."""
    return any(hmac.compare_digest(seal, seal_of(text, key)) for key in keys)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of the chain as it was once, kept where the database's owner cannot write."""

    sequence: int
    digest: str
    at: str
    seal: str | None

    @classmethod
    def of(cls, sequence: int, digest: str, at: datetime, keys: Sequence[bytes]) -> "Anchor":
        """The head, sealed by the first key if there is one."""
        bare = cls(sequence, digest, at.astimezone(UTC).isoformat(timespec="seconds"), None)
        return cls(bare.sequence, bare.digest, bare.at, seal_of(bare.text, keys[0]) if keys else None)

    @property
    def text(self) -> str:
        """What the seal covers."""
        return f"anchor {self.sequence} {self.digest} {self.at}"

    def line(self) -> str:
        """One line of an anchor file."""
        return json.dumps({"sequence": self.sequence, "digest": self.digest, "at": self.at, "seal": self.seal})

    @classmethod
    def read(cls, line: str) -> "Anchor":
        """Raises ValueError for what is no line of an anchor file."""
        try:
            told = json.loads(line)
            return cls(int(told["sequence"]), str(told["digest"]), str(told["at"]), told["seal"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"not a line of an anchor file: {line[:80]!r}") from None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, at which place of the chain."""

    sequence: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the whole chain found. ``unsealed`` links carry no seal; ``checked_seals`` were checked by a key."""

    links: int
    head: str
    unsealed: int
    checked_seals: int
    anchors: int
    faults: tuple[Fault, ...]

    @property
    def whole(self) -> bool:
        """Nothing was found."""
        return not self.faults


def verify(links: Iterable[Link], keys: Sequence[bytes] = (), anchors: Sequence[Anchor] = (), most: int = 100) -> Verdict:
    """Check links in order of their sequence: each follows the one before, says what it said when it was written, and is
    sealed where keys are given. ``anchors`` pin what must still be there. At most ``most`` faults are told.

    Without keys the chain proves only that nobody changed it who did not also write every later link anew; without anchors
    it cannot show that its end was cut off.
    """
    check = _Check(keys, anchors)
    for one in links:
        check.see(one)
    check.end()
    return Verdict(check.links, check.head, check.unsealed, check.checked_seals, len(anchors), tuple(check.faults[:most]))


class _Check:
    def __init__(self, keys: Sequence[bytes], anchors: Sequence[Anchor]) -> None:
        self.links = self.unsealed = self.checked_seals = 0
        self.head = START
        self.faults: list[Fault] = []
        self._keys = keys
        self._sequence = 0
        self._anchors: dict[int, list[Anchor]] = {}
        self._vouched = 0
        for anchor in anchors:
            self._anchors.setdefault(anchor.sequence, []).append(anchor)
            self._look_at_seal(anchor)
        self._anchors.pop(0, None)

    def see(self, one: Link) -> None:
        self.links += 1
        wanted = self._sequence + 1
        if one.sequence > wanted:
            gone = f"link {wanted} is" if one.sequence == wanted + 1 else f"links {wanted} to {one.sequence - 1} are"
            self._fault(wanted, f"{gone} gone")
        elif one.sequence < wanted:
            self._fault(one.sequence, "is there twice")
        if one.previous != self.head and one.sequence <= wanted:
            self._fault(one.sequence, f"does not follow link {self._sequence} as that stands")
        if digest_of(one.done, one.sequence, one.previous) != one.digest:
            self._fault(one.sequence, "was changed: its digest is of another deed")
        self._see_seal(one)
        for anchor in self._anchors.pop(one.sequence, []):
            if anchor.digest != one.digest:
                self._fault(one.sequence, f"is not what the anchor of {anchor.at} pins: this link or one before was written anew")
        self._sequence, self.head = one.sequence, one.digest

    def end(self) -> None:
        for sequence, missed in sorted(self._anchors.items()):
            for anchor in missed:
                self._fault(sequence, f"is gone, and the anchor of {anchor.at} pins it; the chain ends at {self._sequence}")
        self.faults.sort(key=lambda fault: fault.sequence)

    def _see_seal(self, one: Link) -> None:
        if one.seal is None:
            self.unsealed += 1
            if self._keys and one.sequence > self._vouched:
                self._fault(one.sequence, "has no seal, and no sealed anchor vouches for it")
        elif self._keys:
            self.checked_seals += 1
            if not sealed(one.digest, one.seal, self._keys):
                self._fault(one.sequence, "has a seal that none of the keys made")

    def _look_at_seal(self, anchor: Anchor) -> None:
        if not self._keys or anchor.seal is None:
            return
        if sealed(anchor.text, anchor.seal, self._keys):
            self._vouched = max(self._vouched, anchor.sequence)
        else:
            self._fault(anchor.sequence, f"has an anchor ({anchor.at}) with a seal that none of the keys made")

    def _fault(self, sequence: int, what: str) -> None:
        self.faults.append(Fault(sequence, what))
