"""Runs the console as one process: granian on our own event loop, until a signal; streams end first."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from granian.constants import Interfaces

from config.nearest import ConfigError
from config.settings import Secrets, Settings
from telemetry import Name, emit
from workers.bootstrap import build_context, close_context
from workers.console.app import ALL_PAGES, Console, build_console
from workers.console.desk import Desk
from workers.console.users import Users, read_users
from workers.granian_server import Bounds, embedded

STOP_WITHIN_S = 3.0
LOOK_S = 0.02
BOUNDS = Bounds(512)


def serve_console(settings: Settings, secrets: Secrets, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError without users, OSError if the port is taken."""
    users = checked_users(settings)
    context = build_context(settings, secrets)
    try:
        desk = Desk(context, settings, ALL_PAGES)
        asyncio.run(_until_signal(build_console(desk, users), host, port, ready))
    finally:
        close_context(context)
        emit(Name.WORKER_STOP_DONE, role="console")


def checked_users(settings: Settings) -> Users:
    """The users of the settings' file. Raises ConfigError if there are none: a console nobody can sign in to is of no use,
    and one without a sign-in is there for nobody.
    """
    path = settings.console_users_file
    remedy = "make one: millrace console user add NAME --role operator"
    if not path:
        raise ConfigError(f"MILLRACE_CONSOLE_USERS_FILE is not set: name a file and {remedy}")
    try:
        found = read_users(Path(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; {remedy}") from None
    if not found:
        raise ConfigError(f"{path} has no users; {remedy}")
    return Users(Path(path))


async def _until_signal(console: Console, host: str, port: int, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await served(console, host, port, stop, ready, BOUNDS)


async def served(console: Console, host: str, port: int, stop: asyncio.Event, ready: Callable[[], None], bounds: Bounds) -> None:
    """Serve until ``stop``; ``ready`` is called once the port is open. The console is closed afterwards."""
    server = embedded(console.application, Interfaces.ASGINL, host, port, bounds)
    serving = asyncio.ensure_future(server.serve())
    if await _listens(host, port, serving):
        ready()
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    await console.close()
    server.stop()  # type: ignore[no-untyped-call]  # granian leaves it without types
    await asyncio.wait((serving,), timeout=STOP_WITHIN_S)
    if not stop.is_set():
        serving.result()


async def _listens(host: str, port: int, serving: "asyncio.Future[None]") -> bool:
    """Waits until the port takes connections: the server opens it in a thread of its own and tells nobody."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  what is listened on is not chosen here
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(reached, port)
        except OSError:
            await asyncio.sleep(LOOK_S)
        else:
            writer.close()
            return True
    return False
