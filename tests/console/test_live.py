"""Live parts: one rendering for all who look, bounded, ended with the session, and never silent about what cannot be read."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import workers.console.live
import workers.console.streams
from tests.console.running import Person, Running, a_console
from tests.live import wait_until
from workers.console.desk import Desk
from workers.console.live import MOST_STREAMS_EACH, Live

EVERY_S = 0.05


class Counter:
    """A part that counts how often it was rendered."""

    def __init__(self) -> None:
        self.rendered = 0
        self.broken = False
        self.lock = threading.Lock()

    def __call__(self, desk: Desk) -> str:
        with self.lock:
            self.rendered += 1
        if self.broken:
            raise RuntimeError("canary-inside")
        return f"<b>{self.rendered}</b>\n<i>second line</i>"


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def running(sqlite_url: str, tmp_path: Path, counter: Counter) -> Iterator[Running]:
    lives = (Live("counter", counter, EVERY_S), Live("still", lambda desk: "<b>still</b>", EVERY_S))
    with a_console(sqlite_url, tmp_path, lives=lives, console_idle_s=600) as made:
        yield made


class Stream:
    """An open stream, read line by line."""

    def __init__(self, person: Person, names: str) -> None:
        self.link = http.client.HTTPConnection("127.0.0.1", person.running.port, timeout=20)
        cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
        self.link.request("GET", f"/live/{names}", headers={"cookie": cookie})
        self.answer = self.link.getresponse()

    def lines(self) -> Iterator[str]:
        """Lines as they come; ends with the stream."""
        while line := self.answer.readline():
            yield line.decode().rstrip("\n")

    def events(self) -> Iterator[tuple[str, str]]:
        """Name and data of each event."""
        name, data = "", []
        for line in self.lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data.append(line.removeprefix("data: "))
            elif not line and data:
                yield name, "\n".join(data)
                name, data = "", []


@contextmanager
def looking(person: Person, names: str = "counter") -> Iterator[Stream]:
    stream = Stream(person, names)
    try:
        yield stream
    finally:
        stream.link.close()


def test_a_part_is_told_whenever_it_changes(running: Running) -> None:
    with looking(running.person("reader")) as stream:
        events = stream.events()
        seen = [next(events) for _ in range(3)]

    assert stream.answer.status == 200
    assert stream.answer.headers["content-type"].startswith("text/event-stream")
    assert stream.answer.headers["cache-control"] == "no-store"
    assert {name for name, _ in seen} == {"counter"}
    assert len({data for _, data in seen}) == 3
    assert all(data.endswith("\n<i>second line</i>") for _, data in seen)


def test_what_does_not_change_is_told_once_and_several_parts_share_a_connection(running: Running) -> None:
    with looking(running.person("reader"), "counter+still") as stream:
        events = stream.events()
        seen = [next(events) for _ in range(6)]

    assert [data for name, data in seen if name == "still"] == ["<b>still</b>"]
    assert len([name for name, _ in seen if name == "counter"]) == 5


def test_all_who_look_share_a_rendering_and_nobody_renders_for_nobody(running: Running, counter: Counter) -> None:
    people = [running.person("reader"), running.person("operator")]
    with looking(people[0]) as one, looking(people[0]) as two, looking(people[1]) as three:
        streams = [stream.events() for stream in (one, two, three)]
        firsts = [{next(events)[1] for _ in range(5)} for events in streams]
        shared = firsts[0] & firsts[1] & firsts[2]
        told = sum(len(first) for first in firsts)
        rendered = counter.rendered

    assert shared, firsts
    assert rendered < told
    wait_until(lambda: not running.console.hub._feeds, 10, "the part is let go when nobody looks")


def test_a_stream_ends_with_the_session(running: Running) -> None:
    person = running.person("reader")
    with looking(person) as stream:
        events = stream.events()
        next(events)
        person.post("/sign-out", {"csrf": person.token()})

        assert ("end", "the session has ended") in list(events)


def test_looking_on_does_not_keep_a_session_alive(running: Running) -> None:
    with looking(running.person("reader")) as stream:
        events = stream.events()
        next(events)
        running.world.clock.move(601)

        assert ("end", "the session has ended") in list(events)


def test_one_session_has_so_many_streams_and_a_closed_one_makes_room(running: Running) -> None:
    person = running.person("reader")
    open_streams = [Stream(person, "counter") for _ in range(MOST_STREAMS_EACH)]
    for stream in open_streams:
        next(stream.events())

    assert person.get("/live/counter").status == 503
    with looking(running.person("operator")) as other:
        assert other.answer.status == 200
    for stream in open_streams:
        stream.answer.close()
        stream.link.close()

    def room() -> bool:
        with looking(person) as again:
            return again.answer.status == 200

    wait_until(room, 20, "a place is free again")


def test_the_console_has_so_many_streams_altogether(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.console.live, "MOST_STREAMS", 1)
    with looking(running.person("reader")) as stream:
        next(stream.events())

        assert running.person("operator").get("/live/counter").status == 503


def test_a_part_that_cannot_be_rendered_says_so_and_comes_back(running: Running, counter: Counter) -> None:
    counter.broken = True
    with looking(running.person("reader")) as stream:
        events = stream.events()
        _, broken = next(events)
        counter.broken = False
        _, whole = next(events)

    assert "cannot be read at the moment" in broken
    assert "canary-inside" not in broken
    assert whole.startswith("<b>")


def test_a_quiet_stream_has_a_heartbeat(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.console.streams, "HEARTBEAT_S", 0.1)
    with looking(running.person("reader"), "still") as stream:
        assert next(line for line in stream.lines() if line.startswith(": ping"))
