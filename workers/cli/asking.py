"""Runs the question before a dangerous thing: a person says yes, or `--yes` does."""

import sys
from typing import Annotated

import typer

from workers.cli.exits import Exit
from workers.cli.output import fail

Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def agree(yes: bool, question: str, *, nothing: str = "nothing was changed", look_at: str = "") -> None:
    """Ask the person; the command ends, code 4, without a yes. ``nothing``: how it stands then; ``look_at``: what was shown."""
    if yes:
        return
    if not sys.stdin.isatty():
        remedy = f"look at the {look_at}, then say --yes" if look_at else "say --yes where nobody can be asked"
        fail(f"{nothing}: {remedy}", Exit.REFUSED)
    if not typer.confirm(question, err=True):
        fail(nothing, Exit.REFUSED)
