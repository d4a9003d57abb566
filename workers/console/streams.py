"""Runs the address of live parts: ``/live/NAME``, or ``/live/ONE+TWO`` for several on one connection."""

from dataclasses import dataclass

from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from workers.console.gate import Gate
from workers.console.live import HEARTBEAT_S, Hub
from workers.console.roles import Permission

SEND_WITHIN_S = 10.0
END_WITHIN_S = 2.0
"""A browser that does not read, or is gone, holds its place no longer."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The door to the hub."""

    hub: Hub
    gate: Gate

    async def open(self, request: Request) -> Response:
        """A stream of the parts named; 401 without a session, 403 without the permission, 404, 503 when full."""
        known = self.hub.by_name()
        named = [known[name] for name in dict.fromkeys(request.path_params["names"].split("+")) if name in known]
        if not named:
            return Response(status_code=404)
        needs = max((live.needs for live in named), key=list(Permission).index)
        session, allowed = await self.gate.may_look(request, needs)
        if session is None or not allowed:
            return Response(status_code=401 if session is None else 403)
        if self.hub.full(session.id):
            return Response(status_code=503, headers={"Retry-After": "10"})
        found = session
        events = self.hub.stream(found.id, named, lambda: self.gate.sessions.alive(found))
        return EventSourceResponse(events, ping=HEARTBEAT_S, sep="\n", send_timeout=SEND_WITHIN_S, cleanup_timeout=END_WITHIN_S)
