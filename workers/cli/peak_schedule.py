"""Runs `millrace peak schedule add|list|cancel`: profiles that are to come into force by themselves."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from workers.cli.asking import Yes, agree
from workers.cli.exits import Exit
from workers.cli.lanes_names import By, Why, operator
from workers.cli.moments import moment, seconds
from workers.cli.output import Json, Most, fail, say, show_json
from workers.cli.peak_files import ProfileName, profile_named
from workers.cli.wiring import changing, reading, settings

schedule = typer.Typer(
    name="schedule",
    help="Profiles that are to come into force by themselves.",
    epilog="Example: millrace peak schedule list",
    no_args_is_help=True,
)

Number = Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="Its number in the list.", show_default=False)]


@schedule.command(
    "add",
    epilog="Example: millrace peak schedule add black-friday --start '2026-11-27 00:00' --end '2026-11-30 06:00' "
    "--zone Europe/Berlin --why 'the week' --yes",
)
def add(
    name: ProfileName,
    why: Why,
    start: Annotated[str, typer.Option(help="A date with time, a time (22:30) or a span (2h).", show_default=False)],
    end: Annotated[str | None, typer.Option(help="Its end, as --start; else --for, else what the profile says.")] = None,
    span: Annotated[str | None, typer.Option("--for", help="How long it lasts: 90m, 4h, 3d.")] = None,
    zone: Annotated[str, typer.Option(help="Zone of times without an offset: Europe/Berlin.")] = "UTC",
    force: Annotated[bool, typer.Option("--force", help="Also above what the fleet file allows.")] = False,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Have a profile come into force at a time, as it is in its file now. The relay does it; a start while it is away is made up
    for, unless the end has passed too.
    """
    from workers import peaks
    from workers.cli.peak_commands import refuse_above
    from workers.lane_actions import Operator

    loaded = settings()
    profile = profile_named(loaded, name)
    refuse_above(loaded, profile, force=force)
    now = datetime.now(UTC)
    starts_at = _moment(start, now, zone)
    try:
        ends_at = peaks.end_of(profile, starts_at, _end(end, span, starts_at, zone), now)
    except peaks.WrongTimesError as error:
        fail(f"{error}: --start {start} is {starts_at.isoformat()}", Exit.USAGE)
    told = f"{name} from {starts_at.isoformat()} until {ends_at.isoformat() if ends_at else 'it is taken back'}"
    if not as_json:
        say(told)
    agree(yes, "schedule it?")
    with changing(loaded) as session:
        who = Operator(operator(by), why)
        number = peaks.schedule(session, profile, who, now, starts_at, ends_at, zone)
    if as_json:
        return show_json({"schedule": number, "profile": name, "starts_at": starts_at, "ends_at": ends_at, "zone": zone})
    return say(f"schedule {number}: {told}: {why}")


@schedule.command("list", epilog="Example: millrace peak schedule list --all")
def list_scheduled(
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show what is to come into force when, in UTC and in the zone in which it was said."""
    import ledger.peaks
    from workers.cli.peak_text import show_scheduled

    with reading() as session:
        found = ledger.peaks.scheduled(session, most, every=every)
    show_scheduled(found, as_json=as_json)


@schedule.command("cancel", epilog="Example: millrace peak schedule cancel 3 --why 'the sale is off'")
def cancel(number: Number, why: Why, by: By = None, as_json: Json = False) -> None:
    """Take an entry back before it begins."""
    from workers import peaks
    from workers.lane_actions import Operator

    loaded = settings()
    with changing(loaded) as session:
        done = peaks.unschedule(session, number, Operator(operator(by), why), datetime.now(UTC))
    if not done:
        fail(f"schedule {number} is not to come any more; see millrace peak schedule list --all", Exit.NOT_FOUND)
    if as_json:
        return show_json({"cancelled": number, "why": why})
    return say(f"schedule {number} is cancelled: {why}")


def _moment(text: str, now: datetime, zone: str) -> datetime:
    from zoneinfo import ZoneInfo

    try:
        local = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        fail(f"no time zone {zone!r}: give a name like 'Europe/Berlin'", Exit.USAGE)
    return moment(text, now, local).astimezone(UTC)


def _end(end: str | None, span: str | None, starts_at: datetime, zone: str) -> datetime | None:
    if end is not None and span is not None:
        fail("give one of --end and --for", Exit.USAGE)
    if span is not None:
        return starts_at + timedelta(seconds=seconds(span))
    return _moment(end, starts_at, zone) if end is not None else None
