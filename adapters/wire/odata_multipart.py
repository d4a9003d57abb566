"""Speaks the other form of an OData batch: requests and answers as the parts of a ``multipart/mixed`` body.

Sources: OData Protocol 4.01, 11.7.7 "Multipart Batch Format"; Microsoft Learn, "Execute batch operations using the Web API".
"""

import json
import re
import uuid
from collections.abc import Sequence
from email.message import Message
from email.parser import BytesParser

from adapters.wire.odata import JSON, Part, Reply, encoded

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_PART_HEAD = b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"


def multipart_body(parts: Sequence[Part], root: str) -> tuple[str, bytes]:
    """Content type and body of a batch; ``root`` is the path of the service, before each part's url.

    >>> multipart_body([Part("GET", "salesorders")], "/api")[1].splitlines()[4]
    b'GET /api/salesorders HTTP/1.1'
    """
    boundary = f"batch_{uuid.uuid4()}"
    opening = f"--{boundary}\r\n".encode()
    pieces = [opening + _PART_HEAD + _request(part, root) + b"\r\n" for part in parts]
    return f'multipart/mixed; boundary="{boundary}"', b"".join(pieces) + f"--{boundary}--\r\n".encode()


def multipart_replies(content_type: str, body: bytes, parts: int) -> list[Reply | None] | None:
    """Replies in the order of the requests, None for one that is missing at the end; None for a body that is no batch answer.

    Answers come in the order of the requests; a server that stops at an error answers none of those behind it.
    """
    if not content_type.lower().startswith("multipart/mixed"):
        return None
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + body)
    told = message.get_payload()
    if not message.is_multipart() or message.defects or not isinstance(told, list) or len(told) > parts:
        return None
    found = [_reply(part) for part in told if isinstance(part, Message)]
    if None in found:
        return None
    return [*found, *[None] * (parts - len(found))]


def _request(part: Part, root: str) -> bytes:
    headers = (*part.headers, *(() if part.body is None else JSON))
    lines = [f"{part.method} {root}/{part.url} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode() + (b"" if part.body is None else encoded(part.body))


def _reply(part: Message) -> Reply | None:
    raw = part.get_payload(decode=True)
    if part.get_content_type() != "application/http" or not isinstance(raw, bytes):
        return None
    status, end = _STATUS.match(raw), _HEAD_END.search(raw)
    if status is None:
        return None
    content = raw[end.end() :].strip() if end else b""
    try:
        return Reply(int(status[1]), json.loads(content) if content else None)
    except ValueError:
        return Reply(int(status[1]))
