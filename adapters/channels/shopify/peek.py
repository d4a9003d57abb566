"""Speaks of an order's shipping method without reading the order: looks at the bytes behind its shipping lines."""

import re

MOST_BYTES = 2_048
_LINES = b'"shipping_lines"'
_NAMED = re.compile(rb'"(?:title|code)"\s*:\s*"((?:[^"\\]|\\.){1,200})"')


def shipping_method_in(body: bytes) -> str | None:
    """Titles and codes of the first shipping lines, as they stand in the body; None if there are none near their key.

    >>> shipping_method_in(b'{"id":1,"shipping_lines":[{"code":"EXP","title":"Express"}],"note":null}')
    'EXP Express'
    """
    # In a text of the sender's the quotes would be escaped, so the key with bare quotes is a key.
    start = body.find(_LINES)
    if start < 0:
        return None
    start += len(_LINES)
    end = body.find(b"]", start, start + MOST_BYTES)
    found = _NAMED.findall(body, start, end if end > 0 else min(len(body), start + MOST_BYTES))
    return b" ".join(found).decode("utf-8", "replace") if found else None
