"""Serves what machines ask a process for: metrics, and small JSON pages by path, from a thread."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client.exposition import ThreadingWSGIServer

_log = logging.getLogger("millrace.telemetry")

Page = Callable[[], bytes]
"""Makes the JSON of a page; what it raises becomes a 503 without a word of it."""
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def serve_pages(port: int, host: str, otherwise: Application, pages: Mapping[str, Page]) -> tuple[WSGIServer, threading.Thread]:
    """Serve ``pages`` by path and everything else by ``otherwise``. Raises OSError when the port is taken."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        page = pages.get(environ.get("PATH_INFO", ""))
        if page is None or environ.get("REQUEST_METHOD") != "GET":
            return otherwise(environ, start_response)
        try:
            status, body = "200 OK", page()
        except Exception as error:  # noqa: BLE001 - a ledger that is down must not end the answering of others
            _log.warning("%s could not be told: %s", environ["PATH_INFO"], type(error).__name__)
            status, body = "503 Service Unavailable", b'{"error":"cannot be told now"}'
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    server = make_server(host, port, answer, server_class=ThreadingWSGIServer, handler_class=_Silent)
    thread = threading.Thread(target=server.serve_forever, name="pages", daemon=True)
    thread.start()
    return server, thread


class _Silent(WSGIRequestHandler):
    """A scrape every few seconds is no news."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the method it overrides
        """Say nothing."""
