"""Runs `millrace failures`: the two lists, groups, retry by key or as a job, redirect, drop."""

import sys
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.choosing import By, Key, TargetName, Why, actor, read_keys, with_conditions
from workers.cli.exits import EPILOG, Exit
from workers.cli.job_commands import Patience, Ramp, Rate, StopAbove, Yes, pace_of, preview, start
from workers.cli.output import Json, Most, fail, say, show_fields, show_json, show_rows, show_table
from workers.cli.wiring import context, reading, settings

if TYPE_CHECKING:
    from ledger.desk import Filter
    from ledger.failures import FailureKey

failures = typer.Typer(help="What is parked or retried, and giving it back to work.", epilog=EPILOG, no_args_is_help=True)


class Dimension(StrEnum):
    """What failures can be grouped by."""

    CAUSE = "cause"
    TARGET = "target"
    OPERATION = "operation"
    SOURCE = "source"
    OWNER = "owner"


Overdue = Annotated[bool, typer.Option("--overdue", help="Only what is past its due time.")]
Archived = Annotated[bool, typer.Option("--archived", help="What was archived, instead of what is open.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


@failures.command("list", epilog="Example: millrace failures list --class rejected --owner business")
@with_conditions
def list_failures(
    wanted: "Filter",
    overdue: Overdue = False, archived: Archived = False, most: Most = 50, as_json: Json = False,
) -> None:  # fmt: skip
    """Show what is parked and waits for a person, newest first, with owner, due time, reason and remedy."""
    import ledger.desk
    from workers.bootstrap import now

    wanted = replace(wanted, overdue=overdue, archived=archived)
    with reading() as session:
        rows = ledger.desk.listed(session, settings().fleet.desk, wanted, now(), most)
    columns = {"key": "key", "cls": "class", "code": "code", "where": "where", "what": "what", "owner": "owner"}
    columns |= {"due_at": "due", "failed_at": "since", "reason": "reason", "remedy": "remedy"}
    show_rows(rows, columns, as_json=as_json, none="nothing is parked")


@failures.command("retrying", epilog="Example: millrace failures retrying --target netsuite")
def list_retrying(target: TargetName = None, most: Most = 50, as_json: Json = False) -> None:
    """Show technical failures: deliveries that are retried by themselves, with the last answer."""
    import ledger.desk

    with reading() as session:
        rows = ledger.desk.retrying(session, target, most)
    columns = {"key": "key", "target": "target", "operation": "operation", "business_key": "of", "attempts": "attempts"}
    columns |= {"outcome": "last outcome", "detail": "said", "due_at": "again at"}
    show_rows(rows, columns, as_json=as_json, none="nothing is being retried")


@failures.command("groups", epilog="Example: millrace failures groups --by cause --by target")
@with_conditions
def list_groups(
    wanted: "Filter",
    by: Annotated[list[Dimension] | None, typer.Option("--by", help="Group by these; cause, target, operation, source.")] = None,
    overdue: Overdue = False, archived: Archived = False, most: Most = 50, as_json: Json = False,
) -> None:  # fmt: skip
    """Show what is parked in groups that fail alike, the largest first, with the orders and the money they touch."""
    import ledger.desk
    from workers.bootstrap import now

    wanted = replace(wanted, overdue=overdue, archived=archived)
    every: tuple[ledger.desk.Dimension, ...] = ("cause", "target", "operation", "source", "owner")
    asked = {one.value for one in by} if by else set(every[:-1])
    chosen = [one for one in every if one in asked]
    with reading() as session:
        rows = ledger.desk.groups(session, settings().fleet.desk, wanted, now(), chosen, most)
    if as_json:
        return show_json([{name: getattr(row, name) for name in row.__slots__} for row in rows])
    if not rows:
        return say("nothing is parked")
    wide = ["group", "code", "cause"] if "cause" in chosen else []
    wide += [name for name in ("target", "operation", "source", "owner") if name in chosen]
    cells = (
        [*(str(getattr(r, name)) or "-" for name in wide), str(r.count), str(r.orders),
         " ".join(f"{amount} {currency}" for currency, amount in sorted(r.money.items())) or "-",
         f"{r.first_at:%Y-%m-%d %H:%M:%S}", f"{r.last_at:%Y-%m-%d %H:%M:%S}"]
        for r in rows
    )  # fmt: skip
    return show_table([*wide, "count", "orders", "money", "first", "last"], cells)


@failures.command("show", epilog="Example: millrace failures show d34")
def show_failure(key: Key, as_json: Json = False) -> None:
    """Show one case, with what was done to it by whom and why."""
    import ledger.actions
    import ledger.desk
    import ledger.edits
    from ledger.desk import Filter
    from workers.bootstrap import now

    wanted = read_keys([key])[0]
    with reading() as session:
        found = ledger.desk.listed(session, settings().fleet.desk, Filter(keys=(key,)), now(), 1, any_state=True)
        history = ledger.actions.listed(session, key, 50)[::-1]
        edits = ledger.edits.of_row(session, wanted.stage, wanted.id)
    if not found:
        fail(f"{key} is not parked (any more); see millrace failures list", Exit.NOT_FOUND)
    plain = [{name: getattr(row, name) for name in row.__slots__} for row in history]
    lineage = [{name: getattr(row, name) for name in row.__slots__} for row in edits]
    show_fields(found[0], as_json=as_json, actions=plain, edits=lineage)
    if not as_json:
        for done in history:
            sys.stdout.write(f"{done.at:%Y-%m-%d %H:%M:%S}  {done.action} by {done.by}  {done.reason}\n")


@failures.command("retry", epilog="Examples: millrace failures retry d34 e12   millrace failures retry --group 3f0c9a --yes")
@with_conditions
def retry_failures(
    wanted: "Filter",
    keys: Annotated[list[str] | None, typer.Argument(help="e12 an event, d34 a delivery.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that is parked and meets the conditions, as a job.")] = False,
    overdue: Overdue = False, dry_run: DryRun = False, yes: Yes = False, ramp: Ramp = "1,10,100,1000", rate_per_s: Rate = 5.0,
    stop_above: StopAbove = 0.2, patience_s: Patience = 900.0, by: By = "", why: Why = "", as_json: Json = False,
) -> None:  # fmt: skip
    """Give rows back to work with fresh cross-references: named ones at once, all that meet conditions as a job with a ramp."""
    wanted = replace(wanted, overdue=overdue)
    by_filter = every or bool(wanted.words())
    if bool(keys) == by_filter:
        fail("name rows (d34 e12), or give conditions (--class exhausted, --group ...), or say --all", Exit.USAGE)
    if keys:
        return _retry_keys(read_keys(keys), by, why, dry_run=dry_run, as_json=as_json)
    if dry_run:
        return preview(wanted, as_json=as_json)
    return start(wanted, [], pace_of(ramp, rate_per_s, stop_above, patience_s), actor(by, why), yes=yes, as_json=as_json)


@failures.command("redirect", epilog="Example: millrace failures redirect d34 --to tryton --why 'netsuite is down until noon'")
def redirect_failure(
    key: Key, to: Annotated[str, typer.Option("--to", help="A target of the fleet file.")], by: By = "", why: Why = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Send a parked delivery, and what waits behind it, to another target; refused while its effect is in doubt."""
    from config.nearest import hint
    from tasks.redirect import RedirectRefusedError, redirect

    wanted, who, targets = read_keys([key])[0], actor(by, why, needed=True), settings().fleet.targets
    if to not in targets:
        fail(f"no target {to!r}; {hint(to, targets)}", Exit.NOT_FOUND)
    with context() as tools:
        try:
            done = redirect(tools, wanted, to, who)
        except RedirectRefusedError as error:
            fail(f"{key} stays where it is: {error}", Exit.REFUSED)
    if as_json:
        return show_json({"target": to, "moved": {str(old): str(new) for old, new in done.moved}})
    return say(f"redirected to {to}: {', '.join(f'{old} became {new}' for old, new in done.moved)}")


@failures.command("drop", epilog="Example: millrace failures drop d34 --reason 'posted by hand'")
def drop_failure(
    key: Key,
    reason: Annotated[str, typer.Option("--reason", "--why", help="Why it is given up; kept with the row.")],
    by: By = "",
    as_json: Json = False,
) -> None:
    """Give a parked row up for good; what waited behind it goes on."""
    from tasks.replay import drop

    wanted = read_keys([key])[0]
    with context() as tools:
        dropped = drop(tools, wanted, actor(by, reason, needed=True))
    if not dropped:
        fail(f"{key} is not parked (any more); see millrace failures list", Exit.NOT_FOUND)
    if as_json:
        show_json({"dropped": key, "reason": reason})
    else:
        say(f"dropped {key}: {reason}")


def _retry_keys(wanted: "list[FailureKey]", by: str, why: str, *, dry_run: bool, as_json: bool) -> None:
    from tasks.replay import retry

    if dry_run:
        return show_json([str(k) for k in wanted]) if as_json else say(f"would retry {len(wanted)}: {' '.join(map(str, wanted))}")
    with context() as tools:
        done = retry(tools, wanted, actor(by, why))
    if as_json:
        show_json({"retried": [str(k) for k in done.retried], "left": {str(k): why for k, why in done.left}})
    else:
        say(f"retried {len(done.retried)}, left {len(done.left)}")
        for key, reason in done.left:
            say(f"  {key}: {reason}")
    if done.left:
        raise typer.Exit(int(Exit.PARTIAL if done.retried else Exit.FAILED))
    return None
