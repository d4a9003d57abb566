"""Runs HTTP servers inside our own event loop: granian, embedded, with bounds on what any connection may take."""

from dataclasses import dataclass

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server allows any connection, before it is known who it is."""

    most_connections: int
    header_time_s: float = 10.0
    header_bytes: int = 65_536


def embedded(application: object, interface: Interfaces, host: str, port: int, bounds: Bounds) -> Server:
    """A server for one application, not started yet."""
    return Server(
        application,
        address=host,
        port=port,
        interface=interface,
        http=HTTPModes.http1,
        websockets=False,
        backlog=bounds.most_connections,
        backpressure=bounds.most_connections,
        http1_settings=HTTP1Settings(header_read_timeout=int(bounds.header_time_s * 1_000), max_buffer_size=bounds.header_bytes),
        log_enabled=False,
        log_level=LogLevels.warning,
    )
