"""Reads HTTP/1.1 heads: the little both ends of a bench need, so that neither is what gets measured."""

END = b"\r\n\r\n"


def content_length(head: bytes) -> int:
    """Length of the body that follows ``head`` (request or answer), 0 without the field. Raises ValueError for chunked bodies."""
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        if b"\r\ntransfer-encoding:" in lower:
            raise ValueError("a chunked body: the bench reads bodies of a stated length only")
        return 0
    end = lower.find(b"\r\n", at + 17)
    return int(lower[at + 17 : end if end >= 0 else None])


def header(head: bytes, name: bytes) -> str:
    """Value of the header ``name`` (lower case), empty when absent."""
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return ""
    start = at + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip().decode("latin-1")


def closes(head: bytes) -> bool:
    """Whether the sender of ``head`` ends the connection after this message."""
    return header(head, b"connection").lower() == "close"
