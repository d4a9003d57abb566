"""Runs `millrace lanes windows list|add|canary|cancel`: the times in which a target must be left alone."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.asking import Yes, agree
from workers.cli.exits import EPILOG, Exit
from workers.cli.lanes_names import By, LaneName, Why, checked_lane, operator
from workers.cli.lanes_table import clock
from workers.cli.moments import seconds
from workers.cli.output import Json, fail, say, show_json, show_table
from workers.cli.windows_text import planned, read_when, show_planned, told, window_of
from workers.cli.wiring import changing, reading, settings

if TYPE_CHECKING:
    from config.settings import Settings
    from routing.windows import Maintenance
    from workers.maintenance import Windows

windows = typer.Typer(
    help="Maintenance windows: a lane is drained before, held during, and resumed by a canary and a ramp after.",
    epilog="Example: millrace lanes windows list\n\n" + EPILOG,
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(min=1, max=2**31, help="The window's number.", show_default=False)]
Span = Annotated[str, typer.Option(metavar="SPAN")]


@windows.command("list", epilog="Example: millrace lanes windows list --json")
def list_windows(as_json: Json = False) -> None:
    """Show the windows in force, with the phase each is in and when it comes next."""
    now = datetime.now(UTC)
    known = _read(now)
    rows = [told(known, window, now) for window in known.windows]
    if as_json:
        return show_json(rows)
    if not rows:
        return say("no maintenance windows")
    columns = ("window", "lane", "when", "lasts", "phase", "next", "why")
    return show_table(columns, [[str(row[name] or "-") for name in columns] for row in rows])


@windows.command(
    "add",
    epilog="Examples: millrace lanes windows add deliver.netsuite --start '2026-12-01 22:00' --zone Europe/Berlin --for 4h "
    "--why 'release 2026.2' --dry-run   "
    "millrace lanes windows add deliver.netsuite --weekly sat,sun --at 01:00 --zone America/New_York --for 2h --why backup",
)
def add_window(
    lane: LaneName,
    lasts: Annotated[str, typer.Option("--for", help="How long, as time that passes.", metavar="SPAN", show_default=False)],
    why: Why,
    start: Annotated[str | None, typer.Option(help="Once: a date with time, a time today, a span, or now.")] = None,
    weekly: Annotated[str | None, typer.Option(help="Every week on these days: sat,sun.")] = None,
    at: Annotated[str | None, typer.Option(help="With --weekly: the time of day, 01:00.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of --start and --at.")] = "UTC",
    announce: Span = "1h",
    drain: Span = "60s",
    canary: Annotated[int, typer.Option(min=0, max=1_000, help="Deliveries to be accepted one by one before the ramp.")] = 1,
    ramp: Span = "5m",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the phases in absolute times.")] = False,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Add a window, once or every week. Two windows that overlap hold as long as either does."""
    from ledger.windows import NewWindow
    from routing.names import target_of
    from workers import lane_actions

    loaded = settings()
    if target_of(checked_lane(loaded.fleet, lane)) is None:
        fail(f"{lane} posts to no target: pause it instead (millrace lanes pause)", Exit.USAGE)
    now = datetime.now(UTC)
    new = NewWindow(
        lane=lane, **read_when(start, weekly, at, zone, now), duration_s=seconds(lasts), announce_s=seconds(announce),
        drain_s=seconds(drain), canary=canary, ramp_s=seconds(ramp), reason=why, created_by=operator(by), created_at=now,
    )  # fmt: skip
    window = window_of(new)
    plan = planned(window, now)
    if not plan:
        fail("this window would be over before it begins", Exit.USAGE)
    if not as_json:
        show_planned(plan, window, zone)
    elif dry_run:
        show_json({"phases": plan})
    if dry_run:
        return None
    agree(yes, f"add this window to {lane}?")
    with changing(loaded) as session:
        number = lane_actions.add_window(session, new)
    return show_json({"window": number, "phases": plan}) if as_json else say(f"window {number} of {lane} is added: {why}")


@windows.command("canary", epilog="Example: millrace lanes windows canary 3 --why 'the ERP is back early'")
def let_canary(number: Number, why: Why, by: By = None, as_json: Json = False) -> None:
    """Let the canary go now, before the window's end: one delivery at a time; when they are accepted, the ramp begins."""
    from routing.windows import current
    from workers import lane_actions

    now = datetime.now(UTC)
    loaded, known, window = _known(number, now)
    closed = [s for s in current(window, known.of(window), now) if s.phase.kind in ("draining", "held")]
    if not closed:
        fail(f"window {number} holds nothing now; see millrace lanes windows list", Exit.REFUSED)
    who = lane_actions.Operator(operator(by), why)
    with changing(loaded) as session:
        for one in closed:
            lane_actions.let_canary(session, window.lane, number, one.occurs_at, who, now)
    needed = max(1, window.canary)
    if as_json:
        return show_json({"window": number, "lane": window.lane, "needed": needed})
    return say(f"{window.lane}: one at a time until {needed} accepted, then the ramp")


@windows.command(
    "cancel",
    epilog="Examples: millrace lanes windows cancel 3 --why 'release put off'   "
    "millrace lanes windows cancel 3 --this --why 'no backup tonight'",
)
def cancel_window(
    number: Number,
    why: Why,
    this: Annotated[bool, typer.Option("--this", help="Only the occurrence under way, or else the next one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be cancelled.")] = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Cancel a window; a lane that it holds opens at once."""
    from routing.windows import next_occurrence
    from workers import lane_actions

    now = datetime.now(UTC)
    loaded, known, window = _known(number, now)
    occurs_at = next_occurrence(window, known.of(window), now)
    if this and occurs_at is None:
        fail(f"window {number} comes no more", Exit.NOT_FOUND)
    which = clock(occurs_at) if this else "all"
    if not dry_run:
        who = lane_actions.Operator(operator(by), why)
        with changing(loaded) as session:
            lane_actions.end_window(session, window.lane, number, occurs_at if this else None, who, now)
    if as_json:
        return show_json({"window": number, "lane": window.lane, "occurrence": which, "cancelled": not dry_run})
    return say(f"window {number} of {window.lane} {'would be' if dry_run else 'is'} cancelled, occurrence: {which}")


def _read(now: datetime) -> "Windows":
    import ledger.windows
    from workers.maintenance import windows_of

    with reading() as session:
        return windows_of(*ledger.windows.in_force(session, now))


def _known(number: int, now: datetime) -> "tuple[Settings, Windows, Maintenance]":
    loaded = settings()
    known = _read(now)
    window = next((one for one in known.windows if one.id == number), None)
    if window is None:
        fail(f"no window {number} in force; see millrace lanes windows list", Exit.NOT_FOUND)
    return loaded, known, window
