"""Runs the naming of lanes on the command line: completion, the check with the nearest name, who the operator is."""

import getpass
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.exits import Exit
from workers.cli.output import fail

if TYPE_CHECKING:
    from config.fleet import Fleet


def complete_lane(incomplete: str) -> list[str]:
    """Lanes of the fleet file that begin so; none if it cannot be read."""
    from config.nearest import ConfigError
    from config.settings import load_settings

    try:
        return [name for name in load_settings().fleet.families if name.startswith(incomplete)]
    except ConfigError:
        return []


LaneName = Annotated[
    str,
    typer.Argument(help="orders, shipments, returns, stock or deliver.TARGET.", autocompletion=complete_lane, show_default=False),
]
Why = Annotated[str, typer.Option("--why", help="The reason; kept with who and when.", show_default=False)]
By = Annotated[str | None, typer.Option("--by", help="Who does it; else the login name here.", show_default=False)]


def checked_lane(fleet: "Fleet", lane: str) -> str:
    """The lane, if the fleet file has it; else the command ends and names the nearest."""
    from config.nearest import hint

    if lane not in fleet.families:
        fail(f"no lane {lane!r}; {hint(lane, fleet.families)}", Exit.NOT_FOUND)
    return lane


def operator(by: str | None) -> str:
    """Who does it."""
    if by:
        return by
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname().partition('.')[0]}"
