"""Runs `millrace runbook`: known troubles, what is checked, done, verified and undone; each run is kept."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.asking import agree
from workers.cli.choosing import By, Why, actor
from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, Most, RowId, fail, say, show_fields, show_json, show_rows, show_table
from workers.cli.wiring import context, reading, settings

if TYPE_CHECKING:
    from ledger.actions import Actor
    from ledger.runbooks import Run
    from workers.runbooks.base import Check, Desk, Runbook, Step

runbook = typer.Typer(
    help="Known troubles: what to check, what to do, whether it helped, how to take it back.", epilog=EPILOG, no_args_is_help=True
)

NameOf = Annotated[str, typer.Argument(help="A runbook, see millrace runbook list.", show_default=False)]
With = Annotated[list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="A parameter; may be repeated.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Also where a precondition does not hold; kept with the run.")]
Wait = Annotated[float, typer.Option("--wait", min=0, max=3_600, help="Seconds to wait until the effect is seen.")]
Ramp = Annotated[float, typer.Option("--ramp", min=0, max=3_600, help="Seconds in which a resumed lane rises to its limit.")]
_PAGE = "docs/runbooks/{}.md"


@runbook.command("list", epilog="Example: millrace runbook list")
def list_books(as_json: Json = False) -> None:
    """Show the runbooks there are."""
    from workers.runbooks.registry import RUNBOOKS

    if as_json:
        return show_json([_described(book) for book in RUNBOOKS.values()])
    rows = [[book.name, book.title, ", ".join(p.name for p in book.parameters) or "-"] for book in RUNBOOKS.values()]
    return show_table(["runbook", "when", "is told"], rows)


@runbook.command("show", epilog="Example: millrace runbook show failover-routing")
def show_book(name: NameOf, as_json: Json = False) -> None:
    """Show a runbook: what it is for, what it is told, where its page is."""
    book = _book(name)
    if as_json:
        return show_json(_described(book))
    sys.stdout.write(f"{book.name}: {book.title}\n{(type(book).__doc__ or '').strip()}\n")
    for parameter in book.parameters:
        default = "needed" if parameter.default is None else parameter.default or "may be left out"
        sys.stdout.write(f"  --with {parameter.name}=...  {parameter.means} ({default})\n")
    sys.stdout.write(f"{_PAGE.format(book.name)}\n")
    return None


@runbook.command("check", epilog="Example: millrace runbook check api-throttling --with lane=deliver.netsuite")
def check_book(name: NameOf, told: With = None, as_json: Json = False) -> None:
    """Look whether the trouble is there, and what would be done. Changes nothing; exit 4 if a precondition does not hold."""
    book = _book(name)
    with _desk(actor("", "a look"), 0) as desk:
        checks, steps = _looked(desk, book, _given(book, told))
    _show_plan(checks, steps, as_json)
    if any(not one.ok for one in checks):
        raise typer.Exit(int(Exit.REFUSED))


@runbook.command(
    "run",
    epilog="Examples: millrace runbook run failover-routing --with target=netsuite --with to=tryton --why 'down since 14:02'   "
    "millrace runbook run broker-alarm --why 'memory' --yes",
)
def run_book(
    name: NameOf, told: With = None, yes: Yes = False, anyway: Anyway = False, wait_s: Wait = 90.0, by: By = "", why: Why = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Check, show what will be done, do it, and look whether it has its effect. Exit 5 if that was not seen."""
    from workers.runbooks.running import run

    book, who = _book(name), actor(by, why, needed=True)
    with _desk(who, 0) as desk:
        given = _given(book, told)
        checks, steps = _looked(desk, book, given)
        if not as_json:
            _show_plan(checks, steps, as_json=False)
        lacking = [one for one in checks if not one.ok]
        if lacking and not anyway:
            fail(f"{'; '.join(f'{one.what}: {one.seen}' for one in lacking)}; nothing was done (--anyway does it)", Exit.REFUSED)
        agree(yes, f"run {name}?", nothing="nothing was done", look_at="plan")
        made = run(desk, book, given, wait_s, say, anyway=anyway)
    _show_run(made, as_json)
    if made.state != "done":
        raise typer.Exit(int(Exit.PARTIAL))


@runbook.command("undo", epilog="Example: millrace runbook undo 7 --why 'it is up again'")
def undo_run(
    run_id: RowId,
    yes: Yes = False,
    anyway: Anyway = False,
    ramp_s: Ramp = 30.0,
    by: By = "",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Take a run back, the last step first; what somebody changed since stays as it is, and is told."""
    from workers.runbooks.running import find_run, undo

    with _desk(actor(by, why, needed=True), ramp_s) as desk:
        made = find_run(desk, run_id)
        if not as_json:
            for step in reversed([one for one in made.steps if one["state"] in ("done", "doing")]):
                say(f"takes back: {step['says']}")
        agree(yes, f"undo run {run_id} of {made.name}?", nothing="nothing was done", look_at="plan")
        undone = undo(desk, run_id, say, anyway=anyway)
    if as_json:
        _show_run(undone, as_json)
    else:
        say(f"run {run_id} is undone")


@runbook.command("runs", epilog="Example: millrace runbook runs 7 --json")
def list_runs(
    run_id: Annotated[
        int | None, typer.Argument(min=1, max=2**63 - 1, help="One run with its steps.", show_default=False)
    ] = None,
    most: Most = 20,
    as_json: Json = False,
) -> None:
    """Show runs, newest first, or one with its steps and what was seen."""
    import ledger.runbooks

    with reading() as session:
        rows = ledger.runbooks.listed(session, most) if run_id is None else [ledger.runbooks.find(session, run_id)]
    known = [row for row in rows if row is not None]
    if run_id is not None:
        if not known:
            fail(f"no run {run_id}; see millrace runbook runs", Exit.NOT_FOUND)
        return _show_run(known[0], as_json)
    columns = {"id": "run", "name": "runbook", "state": "state", "given": "told", "at": "at", "undone_at": "undone", "by": "by"}
    return show_rows(known, columns | {"why": "why"}, as_json=as_json, none="no runbook was run")


@contextmanager
def _desk(who: "Actor", ramp_s: float) -> "Iterator[Desk]":
    from workers.cli.wiring import broker_url
    from workers.lanes import Lookout
    from workers.runbooks.base import Desk, RunbookRefusedError
    from workers.runbooks.broker import BrokerLook

    loaded = settings()
    url = broker_url(loaded)
    with context() as tools:
        redis_url = loaded.redis_url.get_secret_value()
        lookout = Lookout(loaded.fleet, tools.ledger, redis_url=redis_url, broker_url=url)
        try:
            yield Desk(tools, lookout, BrokerLook(url), who, ramp_s)
        except RunbookRefusedError as error:
            fail(str(error), Exit.NOT_FOUND if str(error).startswith(("there is no", "no order", "no run")) else Exit.REFUSED)
        finally:
            lookout.close()


def _book(name: str) -> "Runbook":
    from workers.runbooks.base import RunbookRefusedError
    from workers.runbooks.running import find_book

    try:
        return find_book(name)
    except RunbookRefusedError as error:
        fail(str(error), Exit.NOT_FOUND)


def _given(book: "Runbook", told: Sequence[str] | None) -> dict[str, str]:
    from workers.runbooks.base import RunbookRefusedError
    from workers.runbooks.running import given_of

    pairs: dict[str, str] = {}
    for text in told or []:
        name, found, value = text.partition("=")
        if not found:
            fail(f"--with {text!r}: write NAME=VALUE", Exit.USAGE)
        pairs[name] = value
    try:
        return given_of(book, pairs)
    except RunbookRefusedError as error:
        fail(str(error), Exit.USAGE)


def _looked(desk: "Desk", book: "Runbook", given: dict[str, str]) -> "tuple[list[Check], Sequence[Step]]":
    """What is checked, and what would be done; nothing where it cannot be planned for a precondition that does not hold."""
    from workers.runbooks.base import RunbookRefusedError

    checks = book.check(desk, given)
    try:
        return checks, book.plan(desk, given)
    except RunbookRefusedError:
        if all(one.ok for one in checks):
            raise
        return checks, []


def _show_plan(checks: "Sequence[Check]", steps: "Sequence[Step]", as_json: bool) -> None:
    if as_json:
        plan = [{"kind": step.kind, "says": step.says, "values": dict(step.words())} for step in steps]
        return show_json({"ok": all(one.ok for one in checks), "checks": [asdict(one) for one in checks], "steps": plan})
    for one in checks:
        say(f"{'ok  ' if one.ok else 'NOT '}{one.what}: {one.seen}")
    for number, step in enumerate(steps, 1):
        say(f"{number}. {step.says}")
    return None


def _show_run(made: "Run", as_json: bool) -> None:
    show_fields(made, as_json=as_json)
    if as_json:
        return
    for check in made.checks:
        say(f"{'seen' if check['ok'] else 'NOT SEEN'}: {check['what']}: {check['seen']}")
    if made.state == "unverified":
        say(f"all was done, its effect was not seen; look again, or millrace runbook undo {made.id}")
    elif made.state == "done":
        say(f"run {made.id} is done; millrace runbook undo {made.id} takes it back")


def _described(book: "Runbook") -> dict[str, Any]:
    return {
        "name": book.name,
        "title": book.title,
        "summary": (type(book).__doc__ or "").strip(),
        "parameters": [asdict(parameter) for parameter in book.parameters],
        "page": _PAGE.format(book.name),
    }
