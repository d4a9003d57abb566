"""Runs `millrace crossrefs|weights`: the master data that the failure desk asks for, and the weights in force."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from workers.cli.choosing import By, Why, actor
from workers.cli.exits import EPILOG, Exit
from workers.cli.lanes_names import LaneName, checked_lane
from workers.cli.moments import seconds, span
from workers.cli.output import Json, Most, fail, say, show_json, show_rows, show_table
from workers.cli.wiring import changing, reading, settings

if TYPE_CHECKING:
    from config.fleet import FamilyWeights
    from config.settings import Settings
    from ledger.actions import Actor
    from ledger.session import Session

crossrefs = typer.Typer(help="What our keys are called at each target.", epilog=EPILOG, no_args_is_help=True)
weights = typer.Typer(help="How lanes serve their classes.", epilog=EPILOG, no_args_is_help=True)

RefKind = Literal["item", "customer", "tax", "location", "charge", "account"]
Turns = Annotated[int | None, typer.Option(min=1, max=1_000)]

_COLUMNS = ("target", "kind", "source", "key", "remote_id")
_LONGEST = {"target": 48, "source": 48, "key": 190, "remote_id": 120}


@crossrefs.command("set", epilog="Example: millrace crossrefs set netsuite item SKU-1 501")
def set_crossref(
    target: Annotated[str, typer.Argument(help="A target of the fleet file.")],
    kind: Annotated[RefKind, typer.Argument(help="What the key is of.")],
    key: Annotated[str, typer.Argument(help="Our key: SKU, customer, tax title, location, charge code.")],
    remote_id: Annotated[str, typer.Argument(help="The id at the target.")],
    source: Annotated[str, typer.Option(help="Only for keys told by this source.")] = "*",
    by: By = "",
    why: Why = "",
) -> None:
    """Say what a key is called at a target."""
    wrong = _wrong_in((target, kind, source, key, remote_id))
    if wrong:
        fail(wrong, Exit.USAGE)
    _put([(target, kind, source, key, remote_id)], actor(by, why), "crossref.set")
    say(f"{target} {kind} {key} is {remote_id}")


@crossrefs.command("load", epilog="Example: millrace crossrefs load items.csv  (columns target,kind,source,key,remote_id)")
def load_crossrefs(file: Path, by: By = "", why: Why = "") -> None:
    """Load cross-references from a CSV file; all or none."""
    wanted = list(_COLUMNS)
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            if reader.fieldnames != wanted:
                fail(f"{file}: the first line must be {','.join(wanted)}", Exit.USAGE)
            rows = [tuple((row[name] or "").strip() for name in wanted) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fail(f"{file}: cannot be read: {error}", Exit.USAGE)
    for number, row in enumerate(rows, start=2):
        wrong = _wrong_in(row)
        if wrong:
            fail(f"{file}: row {number}: {wrong}", Exit.USAGE)
    say(f"loaded {_put(rows, actor(by, why), 'crossref.load')}")


@crossrefs.command("list", epilog="Example: millrace crossrefs list --target netsuite --kind item")
def list_crossrefs(
    target: Annotated[str | None, typer.Option(help="Only this target.")] = None,
    kind: Annotated[RefKind | None, typer.Option(help="Only this kind.")] = None,
    most: Most = 200,
    as_json: Json = False,
) -> None:
    """Show cross-references."""
    import ledger.crossrefs

    with reading() as session:
        rows = ledger.crossrefs.listed(session, target, kind, most)
    columns = {"target": "target", "kind": "kind", "source": "source", "key": "key", "remote_id": "id there"}
    show_rows(rows, columns, as_json=as_json, none="no cross-references")


@weights.command("show", epilog="Example: millrace weights show")
def show_weights(as_json: Json = False) -> None:
    """Show the weights in force for every lane."""
    from workers.plan import weights_in_force

    loaded = settings()
    with reading() as session:
        table = weights_in_force(session, loaded.fleet)
    if as_json:
        return show_json({family: w.model_dump() for family, w in table.items()})
    rows = (
        (f, str(w.high), str(w.normal), str(w.low), span(w.aged_after_s), "strict" if w.strict else "") for f, w in table.items()
    )
    return show_table(["lane", "high", "normal", "low", "aged after", ""], rows)


@weights.command("set", epilog="Example: millrace weights set deliver.netsuite --high 16 --normal 4 --low 1")
def set_weights(
    family: LaneName,
    high: Turns = None,
    normal: Turns = None,
    low: Turns = None,
    strict: Annotated[
        bool | None, typer.Option("--strict/--no-strict", help="Serve a lower class only when the higher ones are empty.")
    ] = None,
    aged_after: Annotated[
        str | None, typer.Option(help="Age from which a class is served every second turn.", metavar="SPAN")
    ] = None,
    by: By = "",
    why: Why = "",
) -> None:
    """Change a lane's weights at run time; workers act on it within two seconds, the standing backlog included.

    What is not given stays as it is. Changed by somebody else meanwhile, nothing is put and it ends with code 4.
    """
    from workers.plan import weights_in_force

    loaded = settings()
    checked_lane(loaded.fleet, family)
    given: dict[str, float | None] = {"high": high, "normal": normal, "low": low, "strict": strict}
    given["aged_after_s"] = None if aged_after is None else seconds(aged_after)
    who = actor(by, why)
    with reading() as session:
        seen, expected = weights_in_force(session, loaded.fleet)[family], _weights_set(session, family)
    told = seen.model_copy(update={name: value for name, value in given.items() if value is not None})
    _put_weights(loaded, family, who, told, expected)
    turns = f"high {told.high}, normal {told.normal}, low {told.low}{' strictly' if told.strict else ''}"
    say(f"{family} serves {turns}, and what waits {span(told.aged_after_s)}")


def _weights_set(session: "Session", family: str) -> dict[str, dict[str, Any]]:
    from ledger import controls
    from workers.lane_actions import set_of

    return set_of(controls.read_all(session), family, ("weights",))


def _put_weights(
    loaded: "Settings", family: str, who: "Actor", told: "FamilyWeights", expected: Mapping[str, Mapping[str, Any]]
) -> None:
    """In force only where ``expected`` is still what was set when they were made."""
    from datetime import UTC, datetime

    from workers import lane_actions

    operator, values = lane_actions.Operator(who.by, who.why), {"weights": told.model_dump()}
    try:
        with changing(loaded) as session:
            lane_actions.set_values(session, family, operator, datetime.now(UTC), values, expected)
    except lane_actions.LaneChangedError as error:
        fail(f"{error}; nothing was changed: look at `millrace weights show` and give it again", Exit.REFUSED)


def _wrong_in(row: tuple[str, ...]) -> str | None:
    values = dict(zip(_COLUMNS, row, strict=True))
    if not all(row):
        return "every column needs a value (source * means any)"
    if values["kind"] not in get_args(RefKind):
        return f"no kind {values['kind']!r}; {_hint(values['kind'], get_args(RefKind))}"
    long = next((name for name, most in _LONGEST.items() if len(values[name]) > most), None)
    return f"{long} is longer than {_LONGEST[long]} characters" if long else None


def _hint(wrong: str, known: Iterable[str]) -> str:
    from config.nearest import hint

    return hint(wrong, known)


def _put(rows: list[tuple[str, ...]], who: "Actor", action: str) -> int:
    from datetime import UTC, datetime

    from ledger.crossrefs import ANY_SOURCE, CrossRef
    from workers import crossref_actions

    loaded = settings()
    for target in sorted({row[0] for row in rows}):
        if target not in loaded.fleet.targets:
            fail(f"no target {target!r}; {_hint(target, loaded.fleet.targets)}", Exit.NOT_FOUND)
    for source in sorted({row[2] for row in rows} - {ANY_SOURCE}):
        if source not in loaded.fleet.sources:
            fail(f"no source {source!r}; {_hint(source, loaded.fleet.sources)}", Exit.NOT_FOUND)
    with changing(loaded) as session:
        return crossref_actions.put(session, [CrossRef(*row) for row in rows], who, datetime.now(UTC), action)
