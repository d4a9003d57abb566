"""Reads a batch sent as ``multipart/mixed`` and answers it part by part, as Dataverse does. It knows no change sets: refused."""

import uuid
from collections.abc import Sequence
from email.message import Message
from email.parser import BytesParser

from workers.sandbox.odata.calls import Call, Reply, malformed, read_call, read_json
from workers.sandbox.problems import Answer

MOST_OPERATIONS = 1000


def read_parts(content_type: str, root: str, raw: bytes) -> list[Call]:
    """The calls of a batch. Raises Refusal for what is none."""
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode("latin-1") + raw)
    told = message.get_payload()
    if message.defects or not isinstance(told, list) or not 1 <= len(told) <= MOST_OPERATIONS:
        raise malformed(f"A batch holds 1 to {MOST_OPERATIONS} requests.")
    return [_call(part, root) for part in told if isinstance(part, Message)]


def parts_answer(replies: Sequence[Reply]) -> Answer:
    """One part a reply, in order."""
    boundary = f"batchresponse_{uuid.uuid4()}"
    pieces = [f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode()] * len(
        replies
    )
    body = b"".join(piece + _http(reply) + b"\r\n" for piece, reply in zip(pieces, replies, strict=True))
    headers = ((b"content-type", f"multipart/mixed; boundary={boundary}".encode()),)
    return Answer(200, headers, body + f"--{boundary}--\r\n".encode())


def _call(part: Message, root: str) -> Call:
    raw = part.get_payload(decode=True)
    if (
        part.get_content_type() != "application/http"
        or part["content-transfer-encoding"] != "binary"
        or not isinstance(raw, bytes)
    ):
        raise malformed("A part of the batch is no application/http request.")
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1" or not words[1].startswith(root):
        raise malformed("A part of the batch has no request line.")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    path, _, query = words[1].removeprefix(root).partition("?")
    return read_call(words[0], path, query, headers, read_json(body.strip()))


def _http(reply: Reply) -> bytes:
    answer = reply.answer()
    told = "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in answer.headers)
    return f"HTTP/1.1 {reply.status} Answer\r\n{told}OData-Version: 4.0\r\n\r\n".encode() + answer.body
