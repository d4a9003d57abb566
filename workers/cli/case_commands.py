"""Runs `millrace failures note|assign|archive|restore`: cases by name, or all that meet conditions, with a preview first."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.choosing import By, Key, Why, actor, ahead, read_keys, with_conditions
from workers.cli.exits import Exit
from workers.cli.job_commands import preview
from workers.cli.output import fail, say
from workers.cli.wiring import context, reading, settings

if TYPE_CHECKING:
    from ledger.desk import Filter
    from ledger.failures import FailureKey
    from tasks.context import Context

AT_ONCE = 500
"""Cases of one transaction: a short lock, and a deed of each in the audit chain."""

SomeKeys = Annotated[
    list[str] | None, typer.Argument(help="e12 an event, d34 a delivery, m5 a dead message.", show_default=False)
]
AllYes = Annotated[bool, typer.Option("--yes", help="Do it to all that meet the conditions, without asking.")]


def add_case_commands(failures: typer.Typer) -> None:
    """Put the commands beside the others of the desk."""
    failures.command("note", epilog="Example: millrace failures note d34 'asked the ERP team'")(note_failure)
    failures.command(
        "assign", epilog="Example: millrace failures assign --group 3f0c9a --to anna --due 4h --why 'knows it' --yes"
    )(assign_failures)
    failures.command("archive", epilog="Example: millrace failures archive d34 --why 'the customer was refunded by hand'")(
        archive_failures
    )
    failures.command("restore", epilog="Example: millrace failures restore --source shopify --why 'looked at again' --yes")(
        restore_failures
    )


def note_failure(key: Key, text: Annotated[str, typer.Argument(help="Kept with the case.")], by: By = "") -> None:
    """Keep a note with a case."""
    from tasks.desk import note

    wanted = read_keys([key])[0]
    with context() as tools:
        known = note(tools, wanted, actor(by, text, needed=True))
    if not known:
        fail(f"{key} is not on the desk; see millrace failures list", Exit.NOT_FOUND)
    say(f"noted on {key}")


@with_conditions
def assign_failures(
    wanted: "Filter",
    keys: SomeKeys = None,
    to: Annotated[str | None, typer.Option(help="The new owner; without it the rules say who.")] = None,
    due: Annotated[str | None, typer.Option(help="Until when: 30m, 2h, 3d (from now) or 2026-11-27T09:00Z.")] = None,
    yes: AllYes = False,
    by: By = "",
    why: Why = "",
) -> None:
    """Give cases to an owner, until a time; without --to back to whom the rules of the fleet file say."""
    from tasks.desk import assign

    due_at, who = ahead(due), actor(by, why)
    chosen = _chosen(keys, wanted, "assign", yes=yes)
    _to_all("assigned", chosen, lambda tools, some: assign(tools, some, to, due_at, who))


@with_conditions
def archive_failures(wanted: "Filter", keys: SomeKeys = None, yes: AllYes = False, by: By = "", why: Why = "") -> None:
    """Take cases off the lists. Their rows stay parked: what waits behind them waits on. Nothing is lost."""
    from tasks.desk import archive

    who = actor(by, why, needed=True)
    chosen = _chosen(keys, wanted, "archive", yes=yes)
    _to_all("archived", chosen, lambda tools, some: archive(tools, some, who))


@with_conditions
def restore_failures(wanted: "Filter", keys: SomeKeys = None, yes: AllYes = False, by: By = "", why: Why = "") -> None:
    """Put archived cases back on the lists."""
    from tasks.desk import restore

    who = actor(by, why)
    chosen = _chosen(keys, replace(wanted, archived=True), "restore", yes=yes)
    _to_all("restored", chosen, lambda tools, some: restore(tools, some, who))


def _chosen(keys: list[str] | None, wanted: "Filter", verb: str, *, yes: bool) -> "list[FailureKey]":
    """The cases named; or, after a preview and a yes, those that meet the conditions now."""
    import ledger.desk
    from workers.bootstrap import now

    if bool(keys) == bool(set(wanted.words()) - {"archived"}):
        fail("name cases (d34 e12), or give conditions (--group, --class, --target ...)", Exit.USAGE)
    if keys:
        return read_keys(keys)
    if not yes:
        preview(wanted, as_json=False)
        if not sys.stdin.isatty():
            fail("nothing was done: look at the preview, then say --yes", Exit.USAGE)
        typer.confirm(f"{verb.capitalize()} them?", abort=True, err=True)
    with reading() as session:
        return ledger.desk.keys_of(session, settings().fleet.desk, wanted, now())


def _to_all(
    done: str, chosen: "Sequence[FailureKey]", act: "Callable[[Context, Sequence[FailureKey]], list[FailureKey]]"
) -> None:
    met: list[FailureKey] = []
    with context() as tools:
        for start in range(0, len(chosen), AT_ONCE):
            met += act(tools, chosen[start : start + AT_ONCE])
            if len(chosen) > AT_ONCE:
                say(f"{done} {len(met)} of {len(chosen)}")
    shown = " ".join(map(str, met[:20])) + (" ..." if len(met) > 20 else "")
    say(f"{done} {len(met)}: {shown}" if met else f"{done} none")
    there = set(met)
    missed = [key for key in chosen if key not in there]
    if missed:
        say(f"not on the desk in that state: {' '.join(map(str, missed[:20]))}")
        raise typer.Exit(int(Exit.PARTIAL if met else Exit.NOT_FOUND))
