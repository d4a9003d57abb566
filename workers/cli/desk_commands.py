"""Runs `millrace failures|crossrefs|weights`: the failure desk, the master data it asks for, and the weights in force."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from workers.cli.exits import EPILOG, Exit
from workers.cli.lanes_names import By, LaneName, checked_lane, operator
from workers.cli.moments import seconds, span
from workers.cli.output import Json, Most, fail, say, show_fields, show_json, show_rows, show_table
from workers.cli.wiring import changing, context, reading, settings

failures = typer.Typer(help="What is parked, and giving it back to work.", epilog=EPILOG, no_args_is_help=True)
crossrefs = typer.Typer(help="What our keys are called at each target.", epilog=EPILOG, no_args_is_help=True)
weights = typer.Typer(help="How lanes serve their classes.", epilog=EPILOG, no_args_is_help=True)

FailureClass = Literal["malformed", "rejected", "exhausted", "poison", "defect", "orphan"]
RefKind = Literal["item", "customer", "tax", "location", "charge", "account"]
Key = Annotated[str, typer.Argument(help="e12 an event, d34 a delivery, m5 a dead message.", show_default=False)]
Turns = Annotated[int, typer.Option(min=1, max=1_000)]

_COLUMNS = ("target", "kind", "source", "key", "remote_id")
_LONGEST = {"target": 48, "source": 48, "key": 190, "remote_id": 120}


@failures.command("list", epilog="Example: millrace failures list --class rejected")
def list_failures(
    cls: Annotated[FailureClass | None, typer.Option("--class", help="Only this class.")] = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show what is parked, newest first, with the reason and the remedy."""
    import ledger.failures

    with reading() as session:
        rows = ledger.failures.listed(session, most, cls)
    columns = {"key": "key", "cls": "class", "code": "code", "where": "where", "what": "what"}
    columns |= {"failed_at": "since", "reason": "reason", "remedy": "remedy"}
    show_rows(rows, columns, as_json=as_json, none="nothing is parked")


@failures.command("show", epilog="Example: millrace failures show d34")
def show_failure(key: Key, as_json: Json = False) -> None:
    """Show one parked row."""
    import ledger.failures

    wanted = _read_keys([key])[0]
    with reading() as session:
        row = next((r for r in ledger.failures.listed(session, 10_000) if r.key == wanted), None)
    if row is None:
        fail(f"{key} is not parked (any more); see millrace failures list", Exit.NOT_FOUND)
    show_fields(row, as_json=as_json)


@failures.command("retry", epilog="Examples: millrace failures retry d34 e12   millrace failures retry --all --class exhausted")
def retry_failures(
    keys: Annotated[list[str] | None, typer.Argument(help="e12 an event, d34 a delivery.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that is parked (of --class).")] = False,
    cls: Annotated[FailureClass | None, typer.Option("--class", help="With --all: only this class.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be retried.")] = False,
    as_json: Json = False,
) -> None:
    """Give parked rows back to work, with fresh cross-references. Submitting one twice acts once."""
    import ledger.failures
    from tasks.replay import retry

    if bool(keys) == every:
        fail("name rows (d34 e12), or say --all", Exit.USAGE)
    wanted = _read_keys(keys or [])
    if every:
        with reading() as session:
            wanted = [row.key for row in ledger.failures.listed(session, 10_000, cls) if row.key.stage != "message"]
    if dry_run:
        return show_json([str(k) for k in wanted]) if as_json else say(f"would retry {len(wanted)}: {' '.join(map(str, wanted))}")
    with context() as tools:
        done = retry(tools, wanted)
    if as_json:
        show_json({"retried": [str(k) for k in done.retried], "left": {str(k): why for k, why in done.left}})
    else:
        say(f"retried {len(done.retried)}, left {len(done.left)}")
        for key, why in done.left:
            say(f"  {key}: {why}")
    if done.left:
        raise typer.Exit(int(Exit.PARTIAL if done.retried else Exit.FAILED))
    return None


@failures.command("drop", epilog="Example: millrace failures drop d34 --reason 'posted by hand'")
def drop_failure(
    key: Key, reason: Annotated[str, typer.Option(help="Why it is given up; kept with the row.")], as_json: Json = False
) -> None:
    """Give a parked row up for good; what waited behind it goes on."""
    from tasks.replay import drop

    wanted = _read_keys([key])[0]
    with context() as tools:
        dropped = drop(tools, wanted, reason)
    if not dropped:
        fail(f"{key} is not parked (any more); see millrace failures list", Exit.NOT_FOUND)
    if as_json:
        show_json({"dropped": key, "reason": reason})
    else:
        say(f"dropped {key}: {reason}")


@crossrefs.command("set", epilog="Example: millrace crossrefs set netsuite item SKU-1 501")
def set_crossref(
    target: Annotated[str, typer.Argument(help="A target of the fleet file.")],
    kind: Annotated[RefKind, typer.Argument(help="What the key is of.")],
    key: Annotated[str, typer.Argument(help="Our key: SKU, customer, tax title, location, charge code.")],
    remote_id: Annotated[str, typer.Argument(help="The id at the target.")],
    source: Annotated[str, typer.Option(help="Only for keys told by this source.")] = "*",
) -> None:
    """Say what a key is called at a target."""
    wrong = _wrong_in((target, kind, source, key, remote_id))
    if wrong:
        fail(wrong, Exit.USAGE)
    _put([(target, kind, source, key, remote_id)])
    say(f"{target} {kind} {key} is {remote_id}")


@crossrefs.command("load", epilog="Example: millrace crossrefs load items.csv  (columns target,kind,source,key,remote_id)")
def load_crossrefs(file: Path) -> None:
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
    say(f"loaded {_put(rows)}")


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
    high: Turns = 16,
    normal: Turns = 4,
    low: Turns = 1,
    strict: Annotated[bool, typer.Option(help="Serve a lower class only when the higher ones are empty.")] = False,
    aged_after: Annotated[str, typer.Option(help="Age from which a class is served every second turn.", metavar="SPAN")] = "15m",
    by: By = None,
) -> None:
    """Change a lane's weights at run time; workers act on it within two seconds, the standing backlog included."""
    from datetime import UTC, datetime

    from config.fleet import FamilyWeights
    from workers import lane_actions

    loaded = settings()
    checked_lane(loaded.fleet, family)
    told = FamilyWeights(high=high, normal=normal, low=low, strict=strict, aged_after_s=seconds(aged_after))
    who = lane_actions.Operator(operator(by), "millrace weights set")
    with changing(loaded) as session:
        lane_actions.set_values(session, family, who, datetime.now(UTC), {"weights": told.model_dump()})
    say(f"{family} serves high {high}, normal {normal}, low {low}{' strictly' if strict else ''}, and what waits {aged_after}")


def _read_keys(texts: list[str]) -> list:  # type: ignore[type-arg]  # of FailureKey, imported late
    from ledger.failures import FailureKey

    try:
        return [FailureKey.read(text) for text in texts]
    except ValueError as error:
        fail(str(error), Exit.USAGE)


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


def _put(rows: list[tuple[str, ...]]) -> int:
    from datetime import UTC, datetime

    import ledger.crossrefs
    from ledger.crossrefs import ANY_SOURCE, CrossRef

    loaded = settings()
    for target in sorted({row[0] for row in rows}):
        if target not in loaded.fleet.targets:
            fail(f"no target {target!r}; {_hint(target, loaded.fleet.targets)}", Exit.NOT_FOUND)
    for source in sorted({row[2] for row in rows} - {ANY_SOURCE}):
        if source not in loaded.fleet.sources:
            fail(f"no source {source!r}; {_hint(source, loaded.fleet.sources)}", Exit.NOT_FOUND)
    with changing(loaded) as session:
        return ledger.crossrefs.put(session, (CrossRef(*row) for row in rows), datetime.now(UTC))
