"""Runs `millrace reprioritize`: what is queued goes to another class, counted first; `list` and `undo`."""

import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workers.cli.asking import agree
from workers.cli.choosing import By, Why, actor, ago, ahead
from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, Most, RowId, fail, say, show_json, show_rows, show_table
from workers.cli.wiring import context, reading

if TYPE_CHECKING:
    from ledger.standing_rows import Filter
    from tasks.reprioritize import Preview

reprioritize = typer.Typer(
    help="Move what is queued already to another class; what comes later is not touched.", epilog=EPILOG, no_args_is_help=True
)

NAMES = (
    "lane", "source", "kind", "class", "older", "younger", "total-at-least", "total-below", "shipping-method",
    "promised-within", "tier", "key",
)  # fmt: skip
KINDS = ("order", "shipment", "return", "stock", "reservation")
CLASSES: tuple[Literal["high", "normal", "low"], ...] = ("high", "normal", "low")

Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="NAME=VALUE", help=f"Only rows so; may be repeated. Names: {', '.join(NAMES)}."),
]
Goal = Annotated[str, typer.Option("--class", help="The class they go to: high, normal or low.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be moved.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
_EXAMPLES = (
    "Examples: millrace reprioritize --filter lane=deliver.netsuite --filter older=2h --class high --why 'promised today'   "
    "millrace reprioritize --filter total-at-least=500 --filter class=normal --class high --why 'big baskets' --dry-run   "
    "millrace reprioritize undo 3 --why 'the wrong ones'   millrace reprioritize list\n\n"
)


@reprioritize.callback(invoke_without_command=True, epilog=_EXAMPLES + EPILOG)
def reprioritize_rows(
    called: typer.Context,
    filters: Filters = None,
    cls: Goal = "",
    every: Annotated[bool, typer.Option("--all", help="All that is queued, without a filter.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    by: By = "",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Move what is queued already to another class: events that wait to be prepared, with what they lead to, and deliveries that
    wait to be posted. It is counted first. What is under way, parked or done is left alone.

    Filters: lane=deliver.netsuite, source=shop, kind=order|shipment|return|stock|reservation, class=low (it has now),
    older=2h, younger=30m, total-at-least=500, total-below=20, shipping-method=express, promised-within=24h, tier=gold,
    key=1001 (order or document, key or number).
    """
    if called.invoked_subcommand is not None:
        return
    from tasks.reprioritize import MoveRefusedError, move, preview

    wanted = _read(filters or [])
    if bool(filters) == every:
        fail("say which: --filter NAME=VALUE, or --all", Exit.USAGE)
    goal = next((known for known in CLASSES if known == cls), None)
    if goal is None:
        fail(f"--class {cls!r}: write high, normal or low", Exit.USAGE)
    who = actor(by, why, needed=not dry_run)
    with context() as tools:
        try:
            counted = preview(tools, wanted, goal)
            _show(counted, as_json=as_json and dry_run)
            if dry_run:
                return
            if not counted.rows:
                _nothing(as_json)
                return
            agree(yes, f"move {counted.rows} rows to {cls}?", nothing="nothing was moved", look_at="count")
            move_id = move(tools, wanted, goal, who, _progress(counted.rows))
        except MoveRefusedError as error:
            fail(str(error), Exit.REFUSED)
        _told(move_id, as_json)


@reprioritize.command("list", epilog="Example: millrace reprioritize list --json")
def list_moves(most: Most = 20, as_json: Json = False) -> None:
    """Show moves, newest first: who, when, why, what they met, how many rows were moved and taken back."""
    import ledger.moves

    with reading() as session:
        rows = ledger.moves.listed(session, most)
    columns = {"id": "move", "state": "state", "cls": "to", "filter": "filter", "moved": "moved", "back": "taken back"}
    columns |= {"at": "at", "by": "by", "why": "why"}
    show_rows(rows, columns, as_json=as_json, none="nothing was moved")


@reprioritize.command("undo", epilog="Example: millrace reprioritize undo 3 --why 'the wrong ones'")
def undo_move(move_id: RowId, by: By = "", why: Why = "", as_json: Json = False) -> None:
    """Give back their class to the rows of a move that have not gone yet. What was moved again since stays there."""
    from tasks.reprioritize import MoveRefusedError, undo

    who = actor(by, why, needed=True)
    with context() as tools:
        try:
            undone = undo(tools, move_id, who, _progress(None))
        except MoveRefusedError as error:
            fail(str(error), Exit.NOT_FOUND if "no move" in str(error) else Exit.REFUSED)
    if as_json:
        return show_json({"move": move_id, "moved": undone.moved, "back": undone.back})
    return say(
        f"move {move_id}: {undone.back} of {undone.moved} rows have their class back; the others have gone, or were moved on"
    )


def _read(given: Sequence[str]) -> "Filter":
    from ledger.standing_rows import Filter

    told: dict[str, str] = {}
    keys: list[str] = []
    for text in given:
        name, found, value = text.partition("=")
        if not found or not value.strip() or name not in NAMES:
            fail(f"--filter {text!r}: write NAME=VALUE with one of {', '.join(NAMES)}", Exit.USAGE)
        if name == "key":
            keys.append(value)
        elif name in told:
            fail(f"--filter {name} is given twice", Exit.USAGE)
        else:
            told[name] = value
    for name, known in (("kind", KINDS), ("class", CLASSES)):
        if told.get(name, known[0]) not in known:
            fail(f"--filter {name}={told[name]}: write one of {', '.join(known)}", Exit.USAGE)
    return Filter(
        lane=told.get("lane"), source=told.get("source"), kind=told.get("kind"), cls=told.get("class"),
        accepted_before=ago(told.get("older")), accepted_after=ago(told.get("younger")),
        total_at_least=_amount(told.get("total-at-least")), total_below=_amount(told.get("total-below")),
        shipping_method=told.get("shipping-method"), promised_before=ahead(told.get("promised-within")),
        customer_tier=told.get("tier"), keys=tuple(keys),
    )  # fmt: skip


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        fail(f"{text!r} is no amount: write 500 or 499.90", Exit.USAGE)
    if not amount.is_finite():
        fail(f"{text!r} is no amount: write 500 or 499.90", Exit.USAGE)
    return amount


def _show(counted: "Preview", *, as_json: bool) -> None:
    if as_json:
        places = [{name: getattr(place, name) for name in place.__slots__} for place in counted.places]
        return show_json({"class": counted.cls, "rows": counted.rows, "places": places})
    if not counted.rows:
        return None
    say(f"{counted.rows} rows would go to {counted.cls}:")
    cells = [[p.lane, p.domain, p.cls, p.state, str(p.count)] for p in counted.places]
    return show_table(["lane", "domain", "class", "state", "rows"], cells) if sys.stderr.isatty() else _lines(cells)


def _lines(cells: Sequence[Sequence[str]]) -> None:
    for row in cells:
        say(f"  {' '.join(row)}")


def _nothing(as_json: bool) -> None:
    if as_json:
        return show_json({"move": None, "moved": 0})
    return say("nothing that is queued meets this and is of another class")


def _progress(of: int | None) -> Callable[[int], None]:
    def tell(rows: int) -> None:
        say(f"{rows}{f' of {of}' if of is not None else ''} rows")

    return tell


def _told(move_id: int, as_json: bool) -> None:
    import ledger.moves

    with reading() as session:
        made = ledger.moves.find(session, move_id)
    moved, cls = (made.moved, made.cls) if made else (0, "")
    if as_json:
        return show_json({"move": move_id, "class": cls, "moved": moved})
    return say(f"move {move_id}: {moved} rows went to {cls}; millrace reprioritize undo {move_id} takes back what has not gone")
