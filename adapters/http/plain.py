"""Reads the head of a plain answer and writes the head of a request, byte for byte as h11 does, at a tenth of its cost.

Plain is what ERPs send nearly always: HTTP/1.1, one Content-Length or a 204, the whole head in the first bytes, nothing odd in
it. Whatever else comes is not plain, and is read by h11 from its first byte.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

_END = b"\r\n\r\n"
_NAME = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_VALUE = r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?"
_REQUEST = re.compile(rf"{_NAME} [\x21-\x7e]+ HTTP/1\.1\r\n(?:{_NAME}: {_VALUE}\r\n)*\r\n")
_ANSWER = re.compile(rf"HTTP/1\.1 ([2-5][0-9]{{2}})(?: [\x20-\x7e\t]*)?((?:\r\n{_NAME}:[\x20-\x7e\t]*)*)".encode())
_LENGTH = re.compile(r"[0-9]{1,10}")
# Answers to these say otherwise how long they are.
_OWN_FRAMING = frozenset({"HEAD", "CONNECT"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request ready to send: its head as bytes, and what h11 must know of it to read an answer that is not plain."""

    method: str
    line: str
    headers: Mapping[str, str] = field(repr=False)
    head: bytes = field(repr=False)


class Head(Struct, frozen=True):
    """The head of a plain answer; its body is the ``length`` bytes from ``end`` on."""

    status: int
    headers: tuple[tuple[str, str], ...]
    end: int
    length: int


def write_request(method: str, line: str, headers: Mapping[str, str]) -> Request:
    """The request with its head; ``headers`` by lower-case name. Raises ValueError for what HTTP forbids."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{method} {line} HTTP/1.1\r\n{fields}\r\n"
    # More ends of lines than lines: one was hidden in a value. Bodies go out in one piece, so their length is known.
    if not _REQUEST.fullmatch(head) or head.count("\n") != len(headers) + 2 or "transfer-encoding" in headers:
        raise ValueError("the request holds what HTTP forbids")
    return Request(method, line, headers, head.encode("ascii"))


def read_head(data: bytes, request: Request) -> Head | None:
    """The head that ``data`` begins with, None if it is not plain or not whole."""
    cut = data.find(_END)
    told = _ANSWER.fullmatch(data, 0, cut) if cut > 0 else None
    if told is None or request.method in _OWN_FRAMING or "connection" in request.headers:
        return None
    status = int(told[1])
    headers = tuple([_field(line) for line in told[2].decode("ascii").split("\r\n")[1:]])
    length = _length_of(status, headers)
    return None if length is None else Head(status, headers, cut + len(_END), length)


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip(" \t")


def _length_of(status: int, headers: tuple[tuple[str, str], ...]) -> int | None:
    """Bytes of the body; None if anything but one length says where it ends, or whether the connection lives on."""
    told = ""
    for name, value in headers:
        if name == "content-length":
            if told or not _LENGTH.fullmatch(value):
                return None
            told = value
        elif name == "transfer-encoding" or (name == "connection" and value.lower() != "keep-alive"):
            return None
    if status in {204, 304}:
        return 0 if int(told or 0) == 0 else None
    return int(told) if told else None
