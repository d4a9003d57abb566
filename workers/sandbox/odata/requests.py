"""Reads an HTTP request to an OData service: one call, or a batch in one of its two forms."""

from collections.abc import Mapping

from workers.sandbox.odata.calls import Request, malformed, not_found, read_batch, read_call, read_json
from workers.sandbox.odata.multipart import read_parts


def read_request(method: str, root: str, path: str, query: str, headers: Mapping[str, str], raw: bytes) -> Request:
    """The calls of a request. Raises Refusal for what is none."""
    if not path.startswith(root):
        raise not_found()
    rest = path[len(root) :]
    if rest != "$batch":
        return Request([read_call(method, rest, query, headers, read_json(raw))])
    if method != "POST":
        raise malformed("A batch is posted.")
    content_type = headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/mixed"):
        return read_batch(headers, raw)
    stops = "odata.continue-on-error" not in headers.get("prefer", "").lower()
    return Request(read_parts(content_type, root, raw), batch=True, multipart=True, stops=stops)
