"""Runs `millrace console` and `millrace console user add|list|remove`: the console, and who may sign in to it."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.asking import agree
from workers.cli.choosing import By, Why, actor
from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, fail, say, show_json, show_rows
from workers.cli.wiring import broker_url, changing, listenable, open_ledger, settings

if TYPE_CHECKING:
    from ledger.actions import Actor
    from workers.console.users import Entry

console = typer.Typer(
    help="The fleet in a browser: what waits, fails and was done; needs users, listens on loopback.",
    epilog=f"Example: millrace console --port 8760. {EPILOG}",
    invoke_without_command=True,
)
user = typer.Typer(
    help="Who may sign in to the console.", epilog=f"Example: millrace console user list. {EPILOG}", no_args_is_help=True
)
console.add_typer(user, name="user")

UsersFile = Annotated[Path | None, typer.Option("--file", help="The file of users (MILLRACE_CONSOLE_USERS_FILE).")]
Unrecorded = Annotated[
    bool, typer.Option("--unrecorded", help="For a file that is used elsewhere: no ledger is needed, nothing is noted.")
]
UserName = Annotated[str, typer.Argument(help="Small letters, digits and . _ @ -", show_default=False)]


@console.callback()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on (MILLRACE_CONSOLE_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port (MILLRACE_CONSOLE_PORT).")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Touch this file once the process works.", hidden=True)] = None,
) -> None:
    """Serve the console until SIGTERM or Ctrl-C; without users it does not start."""
    if context.invoked_subcommand is not None:
        return
    from config.nearest import ConfigError
    from config.settings import load_secrets
    from workers.console.serve import checked_users
    from workers.leaving import leave
    from workers.roles import run_console

    loaded = settings()
    broker_url(loaded)
    open_ledger(loaded).close()
    try:
        checked_users(loaded)
        known = load_secrets()
    except ConfigError as error:
        fail(str(error), Exit.REFUSED)
    place = host or loaded.console_host, loaded.console_port if port is None else port
    listenable(*place)
    run_console(loaded, known, *place, ready_file)
    leave()


@user.command("add", epilog="Example: millrace console user add ann --role operator < password-file")
def add_user(
    name: UserName,
    role: Annotated[str, typer.Option(help="reader, operator, approver or admin.", show_default=False)],
    file: UsersFile = None,
    generate: Annotated[bool, typer.Option("--generate", help="Make up a password and print it, once.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Replace a user of this name without asking.")] = False,
    unrecorded: Unrecorded = False,
    by: By = "",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Add a user, or give one a new password or role; it is asked for, or read from stdin. Their open sessions end."""
    from workers.console.users import Entry, checked_name, checked_password, checked_role, hashed, write_users

    path = _path(file)
    found = _read(path)
    try:
        wanted, as_role = checked_name(name), checked_role(role)
    except ValueError as error:
        fail(str(error), Exit.USAGE)
    if wanted in found:
        agree(yes, f"{wanted} is there as {found[wanted].role}; replace?")
    password = secrets.token_urlsafe(18) if generate else _asked()
    try:
        checked_password(password)
    except ValueError as error:
        fail(str(error), Exit.USAGE)
    before = {"role": str(found[wanted].role)} if wanted in found else {}
    after = {"role": str(as_role), "password": "new"}
    left = [one for one in found.values() if one.name != wanted]
    with _noted("user.add", wanted, actor(by, why), before, after, unrecorded=unrecorded):
        write_users(path, [*left, Entry(wanted, as_role, hashed(password))])
    if as_json:
        return show_json({"name": wanted, "role": as_role, "file": str(path)} | ({"password": password} if generate else {}))
    say(f"{path}: {wanted} is {as_role}; a running console knows at once")
    if generate:
        sys.stdout.write(f"{password}\n")
    return None


@user.command("list", epilog="Example: millrace console user list")
def list_users(file: UsersFile = None, as_json: Json = False) -> None:
    """Show names and roles."""
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Shown:
        name: str
        role: str

    rows = [Shown(one.name, str(one.role)) for one in _read(_path(file)).values()]
    show_rows(rows, {"name": "name", "role": "role"}, as_json=as_json, none="no users")


@user.command("remove", epilog="Example: millrace console user remove ann --yes")
def remove_user(
    name: UserName,
    file: UsersFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    unrecorded: Unrecorded = False,
    by: By = "",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Remove a user; their open sessions end with their next request."""
    from config.nearest import hint
    from workers.console.users import write_users

    path = _path(file)
    found = _read(path)
    if name not in found:
        fail(f"no user {name!r}; {hint(name, found)}", Exit.NOT_FOUND)
    agree(yes, f"remove {name}?")
    before = {"role": str(found[name].role)}
    with _noted("user.remove", name, actor(by, why), before, {}, unrecorded=unrecorded):
        write_users(path, [one for one in found.values() if one.name != name])
    if as_json:
        return show_json({"removed": name, "file": str(path)})
    return say(f"{path}: {name} is removed; a running console knows at once")


@contextmanager
def _noted(
    action: str, name: str, who: "Actor", before: dict[str, str], after: dict[str, str], *, unrecorded: bool
) -> Iterator[None]:
    """Note the deed in the transaction within which the file is replaced: neither is there without the other."""
    if unrecorded:
        yield
        return
    from ledger import actions
    from ledger.actions import Action
    from workers.bootstrap import now

    with changing(settings()) as session:
        actions.write(session, Action(now(), who.by, action, f"user {name}", who.why, before, after, who.role))
        yield


def _path(file: Path | None) -> Path:
    if file is not None:
        return file
    named = settings().console_users_file
    if not named:
        fail("MILLRACE_CONSOLE_USERS_FILE is not set: set it, or name the file by --file", Exit.USAGE)
    return Path(named)


def _read(path: Path) -> "dict[str, Entry]":
    from config.nearest import ConfigError
    from workers.console.users import read_users

    try:
        return read_users(path)
    except FileNotFoundError:
        return {}
    except ConfigError as error:
        fail(str(error), Exit.FAILED)


def _asked() -> str:
    if sys.stdin.isatty():
        told: str = typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
        return told
    return sys.stdin.readline().rstrip("\n")
