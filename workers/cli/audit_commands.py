"""Runs `millrace audit list|verify|anchor`: who did what and why, and the proof that nobody changed that record afterwards."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.exits import EPILOG, Exit
from workers.cli.moments import moment, seconds
from workers.cli.output import Json, Most, fail, say, show_json, show_table
from workers.cli.wiring import reading

if TYPE_CHECKING:
    from ledger.chain import Anchor, Link, Verdict

audit = typer.Typer(
    help="What people did and were refused, as a chain that shows every change.", epilog=EPILOG, no_args_is_help=True
)

_HEADINGS = ("place", "when", "who", "role", "did", "to", "why", "before", "after")
_LONGEST = 60


@audit.command(
    "list",
    epilog="Examples: millrace audit list --by ann --since 2h   millrace audit list --action 'lane.*' --denied",
)
def list_deeds(
    by: Annotated[str | None, typer.Option("--by", help="Who; a * at the end stands for any rest.")] = None,
    subject: Annotated[str | None, typer.Option(help="To what: deliver.netsuite, d34, job 5; also with *.")] = None,
    action: Annotated[str | None, typer.Option(help="Which deed: lane.pause, retry; also with *.")] = None,
    since: Annotated[str | None, typer.Option(help="A span back (2h) or a date.", metavar="WHEN")] = None,
    denied: Annotated[bool, typer.Option("--denied", help="Only what was refused.")] = False,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show deeds, newest first: who, role, what, to what, why, before and after."""
    from ledger.audit import Wanted, find

    wanted = Wanted(by, subject, action, _since(since), False if denied else None)
    with reading() as session:
        found = find(session, wanted, most)
    if as_json:
        return show_json([_values(one) for one in found])
    if not found:
        return say("no such deed")
    return show_table(_HEADINGS, [_cells(one) for one in found])


@audit.command("verify", epilog="Examples: millrace audit verify   millrace audit verify --anchor /safe/anchors --json")
def verify_chain(
    anchor: Annotated[
        Path | None, typer.Option(help="A file that `millrace audit anchor` wrote; each line of it must still hold.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every link of the chain; exit 1 if one was changed, removed, inserted or moved, 3 if the anchor file is not there."""
    from ledger.audit import check
    from ledger.chain import START

    anchors = _anchors(anchor) if anchor else []
    with reading() as session:
        verdict = check(session, anchors)
    told = _proof(verdict, keyed=verdict.checked_seals > 0)
    if as_json:
        faults = [{"place": fault.sequence, "what": fault.what} for fault in verdict.faults]
        counts = {"links": verdict.links, "unsealed": verdict.unsealed, "checked_seals": verdict.checked_seals}
        head = None if verdict.head == START else verdict.head
        show_json(
            {"whole": verdict.whole} | counts | {"anchors": verdict.anchors, "head": head, "proves": told, "faults": faults}
        )
    else:
        for fault in verdict.faults:
            say(f"link {fault.sequence} {fault.what}")
        say(f"{verdict.links} links, {len(verdict.faults)} faults; {told}")
    if not verdict.whole:
        fail("the audit chain is broken; keep the database as it is and see docs/audit.md", Exit.FAILED)


@audit.command("anchor", epilog="Example: millrace audit anchor /safe/anchors")
def write_anchor(
    file: Annotated[Path, typer.Argument(help="Gets one line more; keep it where the ledger's owner cannot write.")],
    as_json: Json = False,
) -> None:
    """Pin the chain's end as it is now: what was written up to here can no longer be changed or cut off unseen."""
    from ledger.audit import anchor as head_of

    with reading() as session:
        made = head_of(session, datetime.now(UTC))
    with file.open("a", encoding="utf-8") as out:
        out.write(made.line() + "\n")
    if as_json:
        return show_json({"file": str(file), "place": made.sequence, "digest": made.digest, "sealed": made.seal is not None})
    return say(f"{file}: the chain up to link {made.sequence} is pinned{'' if made.seal else ', without a seal'}")


def _since(told: str | None) -> datetime | None:
    if told is None:
        return None
    now = datetime.now(UTC)
    if told[-1:] in "smhd" and told[:1].isdigit():
        return now - timedelta(seconds=seconds(told))
    return moment(told, now, None).astimezone(UTC)


def _anchors(file: Path) -> "list[Anchor]":
    from ledger.chain import Anchor

    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        fail(f"{file}: {error.strerror}; write it by: millrace audit anchor {file}", Exit.NOT_FOUND)
    try:
        return [Anchor.read(line) for line in lines if line.strip()]
    except ValueError as error:
        fail(f"{file}: {error}", Exit.USAGE)


def _proof(verdict: "Verdict", *, keyed: bool) -> str:
    """What this check proves, and what it cannot."""
    seals = (
        f"{verdict.checked_seals} seals were checked by MILLRACE_AUDIT_KEY"
        if keyed
        else "no seal was checked: who can write to the database could have written the whole chain anew"
    )
    end = "the anchors pin what they name" if verdict.anchors else "without an anchor a cut-off end is not seen"
    return f"{seals}; {end}"


def _values(one: "Link") -> dict[str, object]:
    done = one.done
    deed = {"at": done.at, "by": done.by, "role": done.role, "action": done.action, "subject": done.subject}
    deed |= {"allowed": done.allowed, "reason": done.reason, "before": done.before, "after": done.after}
    return {"place": one.sequence} | deed | {"digest": one.digest, "sealed": one.seal is not None}


def _cells(one: "Link") -> tuple[str, ...]:
    done = one.done
    did = done.action if done.allowed else f"{done.action} (refused)"
    return (
        str(one.sequence),
        done.at.strftime("%Y-%m-%d %H:%M:%S"),
        done.by,
        done.role or "-",
        did,
        done.subject,
        done.reason,
        _short(done.before),
        _short(done.after),
    )


def _short(values: object) -> str:
    import json

    text = json.dumps(values, ensure_ascii=False, sort_keys=True) if values else "-"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
