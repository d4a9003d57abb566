"""Runs documents as people read and edit them: JSON with two spaces, numbers as they are written, differences by place."""

import json

import msgspec

_DECODER = msgspec.json.Decoder(float_hook=str)


def pretty(body: bytes) -> str:
    """A body with one value a line; what is no JSON as it is."""
    try:
        return json.dumps(_DECODER.decode(body), indent=2, ensure_ascii=False)
    except msgspec.DecodeError:
        return body.decode("utf-8", "backslashreplace")


def shown(value: object) -> str:
    """One side of a difference; nothing there is a dash."""
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
