"""Streams that end in every way: the others go on, and none leaves an error behind."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, cast

import pytest

from workers.console import live
from workers.console.desk import Desk
from workers.console.live import Hub, Live


class Threads:
    """A desk as far as a hub asks for one."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(1)


async def look(hub: Hub, session: str, part: Live, seen: list[Any]) -> None:
    """One stream, read until it ends."""
    async for event in hub.stream(session, [part], lambda: True):
        seen.append(event.data)  # noqa: PERF401  it is read while it grows


def test_a_stream_that_is_cancelled_again_and_again_ends_quietly_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_AT_SESSION_S", 0.01)
    numbers = count()

    async def all_of_it() -> tuple[list[Any], list[Any]]:
        desk = Threads()
        part = Live("part", lambda _: str(next(numbers)), 0.001)
        hub, stays = Hub([part], cast("Desk", desk)), list[Any]()
        other = asyncio.create_task(look(hub, "stays", part, stays))
        ended: list[Any] = []
        for number in range(60):
            one = asyncio.create_task(look(hub, f"goes-{number}", part, []))
            await asyncio.sleep(0.0005 * (number % 7))
            while not one.done():
                one.cancel()
                await asyncio.sleep(0)
            ended.append(None if one.cancelled() else one.exception())
        before, end = len(stays), asyncio.get_running_loop().time() + 10
        while len(stays) <= before and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110  nobody tells us
            await asyncio.sleep(0.01)
        assert len(stays) > before, "the other stream stands still"
        hub.close()
        await other
        desk.threads.shutdown()
        return stays, ended

    stays, ended = asyncio.run(all_of_it())
    assert stays == sorted(stays, key=int)
    assert set(ended) == {None}
