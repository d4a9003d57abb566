"""Names effects on the outside: one deterministic key an effect, short enough for the target's field."""

import hashlib
import re

_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")
_DIGEST_LENGTH = 10


def fit(source: str, key: str, length: int, prefix: str = "") -> str:
    """The same key for the same document on every attempt, in at most ``length`` characters of ``A-Z a-z 0-9 _ -``.

    >>> fit("shopify-eu", "1001", 35)
    'shopify-eu_1001'

    Source names hold no ``_``, so the first one ends the source and ``a-b`` + ``c`` never meets ``a`` + ``b-c``.
    A key that is too long, or that loses characters, ends in a digest of the whole, so two documents never share one.
    """
    whole = f"{prefix}{source}_{key}"
    plain = _PLAIN.sub("_", whole)
    if plain == whole and len(plain) <= length:
        return plain
    digest = hashlib.blake2b(f"{prefix}\x00{source}\x00{key}".encode(), digest_size=8).hexdigest()[:_DIGEST_LENGTH]
    return f"{plain[: length - _DIGEST_LENGTH - 1]}-{digest}"
