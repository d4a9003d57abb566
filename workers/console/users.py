"""Runs the file of the console's users: a line each of name, role and a scrypt hash; no password is kept anywhere."""

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.nearest import ConfigError, hint
from workers.console.roles import Role, User

LONGEST_PASSWORD = 1_024
SHORTEST_PASSWORD = 12
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_COST, _BLOCK, _LANES = 15, 8, 1
_MEMORY = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file."""

    name: str
    role: Role
    hash: str

    @property
    def user(self) -> User:
        """Who it is."""
        return User(self.name, self.role)


class Users:
    """The users of a file, read again whenever it changed. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._entries: Mapping[str, Entry] = {}
        # Checked in place of a user that is not there: the answer takes as long.
        self._nobody = Entry("nobody", Role.READER, hashed(secrets.token_urlsafe(16)))

    def find(self, name: str) -> Entry | None:
        """The user's line as it stands now; None if there is none, or if the file cannot be read."""
        return self._read().get(name)

    def check(self, name: str, password: str) -> Entry | None:
        """The user if the password is theirs. Takes as long for a name that is not there."""
        entry = self.find(name)
        right = matches(password, (entry or self._nobody).hash)
        return entry if entry is not None and right else None

    def _read(self) -> Mapping[str, Entry]:
        with self._lock:
            try:
                now = self._path.stat()
                seen = (now.st_mtime_ns, now.st_size, now.st_ino)
                if seen != self._seen:
                    self._entries, self._seen = read_users(self._path), seen
            except (OSError, ConfigError):
                # Nobody is let in by a file that cannot be read.
                self._entries, self._seen = {}, None
            return self._entries


def read_users(path: Path) -> dict[str, Entry]:
    """The users of a file by name. Raises OSError if it cannot be read, ConfigError naming the wrong line."""
    found: dict[str, Entry] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, role, kept = [*line.strip().split(":"), "", ""][:3]
        if not _NAME.fullmatch(name) or role not in set(Role) or not _parts(kept):
            raise ConfigError(f"{path}: line {number} is not NAME:ROLE:HASH; write it by millrace console user add")
        found[name] = Entry(name, Role(role), kept)
    return found


def write_users(path: Path, entries: Iterable[Entry]) -> None:
    """Replace the file at once; only its owner can read it. Raises OSError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    text = "".join(f"{one.name}:{one.role}:{one.hash}\n" for one in sorted(entries, key=lambda one: one.name))
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def checked_name(name: str) -> str:
    """Raises ValueError for what is no name of a user."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no user's name: small letters, digits and . _ @ -, at most 64")
    return name


def checked_role(role: str) -> Role:
    """Raises ValueError naming the nearest role."""
    if role not in set(Role):
        raise ValueError(f"no role {role!r}; {hint(role, [str(one) for one in Role])}")
    return Role(role)


def checked_password(password: str) -> str:
    """Raises ValueError for one that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    return password


def hashed(password: str) -> str:
    """The scrypt hash with its parameters and a salt of its own: ``scrypt$15$8$1$salt$hash``."""
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, _COST, _BLOCK, _LANES)
    return "$".join(("scrypt", str(_COST), str(_BLOCK), str(_LANES), _text(salt), _text(made)))


def matches(password: str, kept: str) -> bool:
    """Whether the hash is the password's; in constant time."""
    parts = _parts(kept)
    if parts is None or len(password) > LONGEST_PASSWORD:
        return False
    cost, block, lanes, salt, wanted = parts
    return hmac.compare_digest(_scrypt(password, salt, cost, block, lanes), wanted)


def _parts(kept: str) -> tuple[int, int, int, bytes, bytes] | None:
    try:
        kind, cost, block, lanes, salt, made = kept.split("$")
        read = int(cost), int(block), int(lanes), base64.b64decode(salt, validate=True), base64.b64decode(made, validate=True)
    except (ValueError, binascii.Error):
        return None
    # Bounded: a line of the file must not make a check take minutes or gigabytes.
    fits = kind == "scrypt" and 14 <= read[0] <= 17 and read[1] == _BLOCK and 1 <= read[2] <= 4
    return read if fits and len(read[3]) >= 16 and len(read[4]) == 32 else None


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    text = password.encode("utf-8", errors="surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=2**cost, r=block, p=lanes, maxmem=2 * _MEMORY, dklen=32)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
