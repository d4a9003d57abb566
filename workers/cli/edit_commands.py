"""Runs `millrace failures edit|patch`: change the document or body of one row or of many, shown and checked first."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.choosing import By, Key, Why, actor, read_keys, with_conditions
from workers.cli.exits import Exit
from workers.cli.job_commands import Patience, Ramp, Rate, StopAbove, Yes, pace_of, preview, start
from workers.cli.output import Json, fail, say, show_json
from workers.cli.wiring import context, reading, settings

if TYPE_CHECKING:
    from ledger.desk import Filter
    from tasks.context import Context
    from tasks.edit import Change, Proposal

Set = Annotated[
    list[str] | None, typer.Option("--set", help="path=value, such as lines[*].sku=NEW-1; path:=JSON for other kinds.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the differences and what is wrong with them.")]
SHOWN = 5


def add_edit_commands(failures: typer.Typer) -> None:
    """Put the commands beside the others of `millrace failures`."""
    failures.command("edit", epilog="Example: millrace failures edit d34 --set lines[0].sku=NEW-1 --why 'renamed in the ERP'")(
        edit
    )
    failures.command(
        "patch", epilog="Example: millrace failures patch --group 3f0c9a --set lines[sku=OLD].sku=NEW --why 'renamed in the ERP'"
    )(patch)


def edit(
    key: Key, settings_: Set = None,
    patch_file: Annotated[Path | None, typer.Option("--patch", help="File with a JSON merge patch (RFC 7396).")] = None,
    whole_file: Annotated[Path | None, typer.Option("--body", help="File with the whole document or body anew.")] = None,
    dry_run: DryRun = False, yes: Yes = False, by: By = "", why: Why = "", as_json: Json = False,
) -> None:  # fmt: skip
    """Change what one row posts or reads, show the difference, check it, replay. Without --set, --patch, --body: $EDITOR."""
    from tasks.edit import EditRefusedError, propose
    from tasks.edit import edit as make

    wanted = read_keys([key])[0]
    who = actor(by, why, needed=not dry_run)
    with context() as tools:
        try:
            change = _change(tools, key, settings_ or [], patch_file, whole_file)
            proposal = propose(tools, wanted, change)
            if not as_json:
                _show(proposal)
            if not dry_run:
                _confirmed(yes=yes)
                make(tools, wanted, change, who, proposal.seen)
        except EditRefusedError as error:
            fail(f"{key} is not changed: {error}", Exit.REFUSED)
    if as_json:
        show_json({"key": key, "edited": not dry_run, "differences": _plain(proposal)})
    elif not dry_run:
        say(f"{key} is changed and goes out again")


@with_conditions
def patch(
    wanted: "Filter",
    settings_: Annotated[list[str], typer.Option("--set", help="path=value, such as lines[sku=OLD].sku=NEW.")],
    dry_run: DryRun = False, yes: Yes = False, ramp: Ramp = "1,10,100,1000", rate_per_s: Rate = 5.0, stop_above: StopAbove = 0.2,
    patience_s: Patience = 900.0, by: By = "", why: Why = "", as_json: Json = False,
) -> None:  # fmt: skip
    """Change many rows by one rule and replay them as a job; the first differences and the count are shown before."""
    if not wanted.words():
        fail("give at least one condition (--group, --class, --code ...): a rule changes what it is meant for", Exit.USAGE)
    _read_settings(settings_)
    if dry_run:
        if not as_json:
            preview(wanted, as_json=False)
        return _show_first(wanted, settings_, as_json=as_json)
    pace = pace_of(ramp, rate_per_s, stop_above, patience_s)
    who = actor(by, why, needed=True)
    return start(
        wanted, settings_, pace, who, yes=yes, as_json=as_json, shown=lambda: _show_first(wanted, settings_, as_json=False)
    )


def _change(tools: "Context", key: str, texts: Sequence[str], patch_file: Path | None, whole_file: Path | None) -> "Change":
    from tasks.edit import Change, read_body

    if whole_file:
        return Change(whole=whole_file.read_bytes())
    if patch_file:
        try:
            merge = json.loads(patch_file.read_text(encoding="utf-8"), parse_float=str)
        except ValueError:
            fail(f"{patch_file}: is not JSON", Exit.USAGE)
        return Change(_read_settings(texts), merge)
    if texts:
        return Change(_read_settings(texts))
    if not sys.stdin.isatty():
        fail("say what to change: --set path=value, --patch FILE or --body FILE", Exit.USAGE)
    return Change(whole=_edited(read_body(tools, read_keys([key])[0])))


def _read_settings(texts: Sequence[str]) -> tuple:  # type: ignore[type-arg]  # of Setting, imported late
    from routing.patch import PatchError, Setting

    try:
        return tuple(Setting.read(text) for text in texts)
    except PatchError as error:
        fail(str(error), Exit.USAGE)


def _edited(body: bytes) -> bytes:
    """The text as the person's editor ($VISUAL, $EDITOR) leaves it."""
    import click
    import msgspec

    try:
        shown = msgspec.json.format(body, indent=2).decode()
    except msgspec.DecodeError:
        shown = body.decode("utf-8", "backslashreplace")
    left = click.edit(shown, extension=".json")
    if left is None:
        fail("nothing was saved in the editor; nothing was changed")
    return left.strip().encode()


def _show_first(wanted: "Filter", texts: Sequence[str], *, as_json: bool) -> None:
    import ledger.desk
    from tasks.edit import Change, EditRefusedError, propose
    from workers.bootstrap import now

    rules = settings().fleet.desk
    with reading() as session:
        total = ledger.desk.totals(session, rules, wanted, now())
        first = ledger.desk.listed(session, rules, wanted, now(), SHOWN)
    change = Change(_read_settings(texts))
    shown: dict[str, object] = {}
    with context() as tools:
        for row in first:
            try:
                proposal = propose(tools, row.key, change)
            except EditRefusedError as error:
                shown[str(row.key)] = f"refused: {error}"
                if not as_json:
                    say(f"{row.key}: refused: {error}")
                continue
            shown[str(row.key)] = _plain(proposal)
            if not as_json:
                _show(proposal)
    if as_json:
        show_json({"count": total.count if total else 0, "first": shown})


def _show(proposal: "Proposal") -> None:
    for d in proposal.differences:
        sys.stdout.write(f"{proposal.key}  {d.path}: {_short(d.before)} -> {_short(d.after)}\n")


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _plain(proposal: "Proposal") -> list[dict[str, object]]:
    return [{"path": d.path, "before": d.before, "after": d.after} for d in proposal.differences]


def _confirmed(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        fail("nothing was changed: look at the difference, then say --yes", Exit.USAGE)
    typer.confirm("Change it and replay?", abort=True, err=True)
