"""Runs what changes on a page without reload: server-sent events, one rendering an interval for all who look."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sse_starlette.event import ServerSentEvent

from telemetry import Name, emit
from workers.console.roles import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.console.desk import Desk

MOST_STREAMS = 200
MOST_STREAMS_EACH = 8
HEARTBEAT_S = 15
LOOK_AT_SESSION_S = 2.0
END = "end"


@dataclass(frozen=True, slots=True)
class Live:
    """One part of a page: ``render`` makes its HTML in a thread, every ``every_s`` seconds while somebody looks.

    Its event has its name; the page swaps it in by ``sse-swap="NAME"``. It is the same for all: nothing of a person is in it.
    """

    name: str
    render: "Callable[[Desk], str]"
    every_s: float = 2.0
    needs: Permission = Permission.READ


@dataclass(slots=True)
class _Feed:
    """One live part while it is looked at."""

    live: Live
    viewers: int = 0
    version: int = 0
    html: str = ""
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Hub:
    """All live parts of one console, on its event loop."""

    lives: Sequence[Live]
    desk: "Desk"
    _feeds: dict[str, _Feed] = field(default_factory=dict)
    _streams: Counter[str] = field(default_factory=Counter)
    _wakes: set[asyncio.Event] = field(default_factory=set)
    _closing: bool = False

    def by_name(self) -> Mapping[str, Live]:
        """Every part."""
        return {live.name: live for live in self.lives}

    def full(self, session_id: str) -> bool:
        """Whether one more stream of this session would be too many."""
        return self._closing or self._streams.total() >= MOST_STREAMS or self._streams[session_id] >= MOST_STREAMS_EACH

    async def stream(self, session_id: str, lives: Sequence[Live], alive: Callable[[], bool]) -> AsyncIterator[ServerSentEvent]:
        """What changes, as events; a last event ``end`` when the session has ended."""
        self._streams[session_id] += 1
        wake = asyncio.Event()
        self._wakes.add(wake)
        try:
            with self._looking(lives) as feeds:
                seen = dict.fromkeys(feeds, 0)
                while not self._closing:
                    wake.clear()
                    if not alive():
                        yield ServerSentEvent("the session has ended", event=END, sep="\n")
                        return
                    for name, feed in feeds.items():
                        if feed.version > seen[name]:
                            seen[name] = feed.version
                            yield ServerSentEvent(feed.html, event=name, sep="\n")
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_AT_SESSION_S):
                            await wake.wait()
        finally:
            self._wakes.discard(wake)
            self._streams[session_id] -= 1
            self._streams += Counter()

    def close(self) -> None:
        """End every stream."""
        self._closing = True
        for feed in self._feeds.values():
            if feed.task is not None:
                feed.task.cancel()
        self._wake_all()

    @contextmanager
    def _looking(self, lives: Sequence[Live]) -> "Iterator[dict[str, _Feed]]":
        feeds = {live.name: self._feeds.setdefault(live.name, _Feed(live)) for live in lives}
        for feed in feeds.values():
            feed.viewers += 1
            if feed.task is None:
                feed.task = asyncio.create_task(self._feed(feed))
        try:
            yield feeds
        finally:
            for name, feed in feeds.items():
                feed.viewers -= 1
                if feed.viewers == 0 and feed.task is not None:
                    feed.task.cancel()
                    # The next viewer begins with a fresh rendering, not with one from when somebody looked last.
                    del self._feeds[name]

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake.set()

    async def _feed(self, feed: _Feed) -> None:
        loop = asyncio.get_running_loop()
        while True:
            html = await loop.run_in_executor(self.desk.threads, self._rendered, feed.live)
            if html != feed.html or feed.version == 0:
                feed.html, feed.version = html, feed.version + 1
                self._wake_all()
            await asyncio.sleep(feed.live.every_s)

    def _rendered(self, live: Live) -> str:
        try:
            return live.render(self.desk)
        except Exception as error:  # noqa: BLE001  whatever it is, the others' pages go on and the next interval tries again
            emit(Name.CONSOLE_REQUEST_FAILED, stage="live", error=error)
            return self.desk.render("away.html")
