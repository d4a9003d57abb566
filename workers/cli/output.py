"""Runs the last mile to the terminal: data on stdout, words on stderr, tables for people, JSON for programs."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer

from workers.cli.exits import Exit

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")]
RowId = Annotated[int, typer.Argument(min=1, max=2**63 - 1, show_default=False)]
Most = Annotated[int, typer.Option("--most", min=1, max=10_000, help="Most rows to show.")]

_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3_600, 86_400


def say(text: str) -> None:
    """A word to the person, on stderr."""
    sys.stderr.write(f"{text}\n")


def fail(text: str, code: Exit = Exit.FAILED) -> NoReturn:
    """Tell what is wrong and what to do, and end with the code."""
    say(f"millrace: {text}")
    raise typer.Exit(int(code))


def show_json(data: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(data, default=_plain, indent=2, ensure_ascii=False) + "\n")


def show_rows(rows: Sequence[Any], columns: Mapping[str, str], *, as_json: bool, none: str) -> None:
    """Rows (dataclasses) as a table of ``columns`` (field name to heading), or all their fields as a JSON list."""
    if as_json:
        return show_json([_fields(row) for row in rows])
    if not rows:
        return say(none)
    show_table(list(columns.values()), ([_cell(getattr(row, name)) for name in columns] for row in rows))
    return None


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table, as wide as its content when piped."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 240, highlight=False).print(table)


def show_fields(row: Any, *, as_json: bool, **more: object) -> None:
    """One row with all its fields, one a line; ``more`` goes into the JSON only."""
    fields = _fields(row)
    if as_json:
        return show_json(fields | more)
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        if value is not None:
            sys.stdout.write(f"{name.replace('_', ' '):<{width}}  {_cell(value)}\n")
    return None


def age(moment: datetime) -> str:
    """How long ago: ``12s``, ``3m``, ``2h``, ``5d``."""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit_s, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit_s:
            return f"{seconds // unit_s}{letter}"
    return f"{seconds}s"


def _fields(row: Any) -> dict[str, Any]:
    # One level only: a value such as a failure's key is written as people type it.
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
