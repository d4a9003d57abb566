"""A console that serves on a free port of this machine, in this process, with users, a ledger and a clock of the test's."""

import asyncio
import http.client
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from urllib.parse import urlencode

from config.fleet import Fleet
from config.settings import Settings, load_settings
from ledger.audit import Wanted, find
from ledger.chain import Link
from tests.tasks.world import World, a_world
from workers.console.app import ALL_PAGES, Console, build_console
from workers.console.desk import Desk
from workers.console.live import Live
from workers.console.page import Page
from workers.console.pages import LIVES
from workers.console.roles import Role
from workers.console.serve import BOUNDS, served
from workers.console.users import Entry, Users, hashed, write_users
from workers.granian_server import Bounds
from workers.local.service import free_port

PASSWORD = "correct horse battery"
_HASH = hashed(PASSWORD)
TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    text: str

    @property
    def token(self) -> str:
        """The token of the page's first form."""
        found = TOKEN.search(self.text)
        assert found, self.text
        return found[1]


@dataclass(slots=True)
class Running:
    """One console and what stands behind it."""

    console: Console
    world: World
    port: int
    users_file: Path

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def person(self, role: str | None = None) -> "Person":
        """Somebody with a browser's memory for cookies; signed in as the user of this role."""
        made = Person(self)
        if role is not None:
            assert made.sign_in(role).status == 303
        return made

    def deeds(self, **wanted: object) -> list[Link]:
        """The audit chain, newest first."""
        with self.world.ledger.read() as session:
            return find(session, Wanted(**wanted), 1_000)  # type: ignore[arg-type]  # as the test names them


@dataclass(slots=True)
class Person:
    """Somebody who asks over HTTP and keeps cookies."""

    running: Running
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page; headers with _ for -."""
        return self.ask("GET", path, b"", {name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """Send a form as a page of the console does."""
        told = {"content-type": "application/x-www-form-urlencoded", "origin": self.running.url, "sec-fetch-site": "same-origin"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, urlencode(form).encode(), told)

    def sign_in(self, name: str, password: str = PASSWORD, to: str = "/you") -> Answer:
        """Fill in the form."""
        return self.post("/sign-in", {"name": name, "password": password, "next": to, "csrf": self.get("/sign-in").token})

    def token(self) -> str:
        """The session's token, from a page."""
        return self.get("/you").token

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Any request; its cookies are sent and kept."""
        link = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=20)
        told = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} | dict(headers or {})
        try:
            link.request(method, path, body, {name: value for name, value in told.items() if value})
            came = link.getresponse()
            text = came.read().decode()
        finally:
            link.close()
        cookies = tuple(came.headers.get_all("set-cookie") or ())
        for line in cookies:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return Answer(came.status, {name.lower(): value for name, value in came.headers.items()}, cookies, text)


@contextmanager
def a_console(
    ledger_url: str,
    folder: Path,
    *,
    pages: Sequence[Page] = ALL_PAGES,
    lives: Sequence[Live] = LIVES,
    bounds: Bounds | None = None,
    fleet: Fleet | None = None,
    **settings: object,
) -> Iterator[Running]:
    """Serve until the block ends; a user for each role, named as the role, all with `PASSWORD`."""
    file = folder / "users"
    write_users(file, [Entry(str(role), role, _HASH) for role in Role])
    with a_world(ledger_url, fleet=fleet) as world:
        desk = Desk(world.context, _settings(ledger_url, file, settings), pages)
        console = build_console(desk, Users(file), pages, lives)
        running = Running(console, world, free_port(), file)
        with _serving(console, running.port, bounds or BOUNDS):
            yield running


def _settings(ledger_url: str, users: Path, more: Mapping[str, object]) -> Settings:
    return load_settings({}, None, ledger_url=ledger_url, console_users_file=str(users), **more)


@contextmanager
def _serving(console: Console, port: int, bounds: Bounds) -> Iterator[None]:
    began: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Queue()

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        await served(console, "127.0.0.1", port, stop, lambda: began.put((loop, stop)), bounds)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="console server")
    thread.start()
    try:
        loop, stop = began.get(timeout=20)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()
