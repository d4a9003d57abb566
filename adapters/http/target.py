"""One outside system as HTTP sees it: where it is, what goes with every request, and how long and large an answer may
be.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, urlencode, urlsplit

_PATH = re.compile(r"/[!-~]*")


def rooted(url: str, root: str) -> str:
    """Root of a service, whether the configured url names it or only what it stands on.

    >>> rooted("https://contoso.crm.dynamics.com/", "/api/data/v9.2")
    'https://contoso.crm.dynamics.com/api/data/v9.2'
    """
    plain = url.rstrip("/")
    return plain if plain.endswith(root) else plain + root


@dataclass(frozen=True, slots=True)
class Target:
    """Settings of one target. ``headers`` go with every request and are kept out of reprs, they may hold secrets.

    ``answer_timeout_s`` bounds the whole exchange on an open connection, first byte sent to last byte read.
    ``keep_idle_s`` must be below the target's own keep-alive time: a connection the target closes under a request is
    Lost. ``ca_file`` adds nothing to the system's authorities, it replaces them. Raises ValueError for a base URL that
    cannot be used.
    """

    name: str
    base_url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_timeout_s: float = 5.0
    answer_timeout_s: float = 30.0
    max_body_bytes: int = 4 * 1024 * 1024
    keep_idle_s: float = 4.0
    max_idle: int = 32
    ca_file: str | None = None

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"base_url of {self.name} must look like https://host/path")
        if url.username or url.password or url.query or url.fragment:
            raise ValueError(f"base_url of {self.name} must hold no user, query or fragment: secrets go into headers")

    @property
    def tls(self) -> bool:
        """True for https."""
        return urlsplit(self.base_url).scheme == "https"

    @property
    def host(self) -> str:
        """Host name without port or brackets."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def port(self) -> int:
        """Port, by default the scheme's."""
        return urlsplit(self.base_url).port or (443 if self.tls else 80)

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if _is_ipv6(self.host) else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def prefix(self) -> str:
        """Path of the base URL, without a slash at its end."""
        return urlsplit(self.base_url).path.rstrip("/")


def segment(text: str) -> str:
    """A business key as one path segment: ``segment("A/1 ü") == "A%2F1%20%C3%BC"``."""
    return quote(text, safe="")


def request_line(prefix: str, path: str, query: tuple[tuple[str, str], ...]) -> str:
    """Path and query as they go on the wire, under ``prefix``. Raises ValueError for a path that would leave it."""
    if not _PATH.fullmatch(path) or "#" in path or {".", ".."} & set(path.partition("?")[0].split("/")):
        raise ValueError("a request path must begin with / and hold only quoted segments: quote keys with segment()")
    if not query:
        return prefix + path
    return f"{prefix}{path}{'&' if '?' in path else '?'}{_quoted(query)}"


@lru_cache(maxsize=256)
def _quoted(query: tuple[tuple[str, str], ...]) -> str:
    # The same few stand behind every order.
    return urlencode(query)


def is_near(host: str) -> bool:
    """Whether a host is this machine's own loopback, the only place that may be spoken to without TLS."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
