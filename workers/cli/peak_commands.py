"""Runs `millrace peak list|show|plan|apply|revert|status|history`: what a peak needs, seen before, put in force, taken back."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from workers.cli.asking import Yes, agree
from workers.cli.exits import Exit
from workers.cli.lanes_names import By, Why, operator
from workers.cli.moments import moment
from workers.cli.output import Json, Most, fail, say, show_json
from workers.cli.peak_files import ProfileName, profile_named, profiles_of
from workers.cli.peak_schedule import schedule
from workers.cli.wiring import changing, open_ledger, reading, settings, told_if_away

if TYPE_CHECKING:
    from config.peaks import PeakProfile
    from config.settings import Settings
    from workers.peak_preview import Preview

peak = typer.Typer(name="peak", help="Peak profiles: what is in force while a peak lasts.", no_args_is_help=True)
peak.add_typer(schedule, name="schedule")

_ACTS = "workers act on it within two seconds; the relay puts the standing backlog under it"
Until = Annotated[str | None, typer.Option(help="Its end: a span (4h), a time (22:30) or a date; else what the profile says.")]
Force = Annotated[bool, typer.Option("--force", help="Also above what the fleet file allows.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


@peak.command("list", epilog="Example: millrace peak list")
def list_profiles(as_json: Json = False) -> None:
    """Show the profiles of the folder, and which is in force."""
    import ledger.peaks
    from workers.cli.peak_text import profile_rows

    loaded = settings()
    known = profiles_of(loaded)
    standing = None
    if loaded.ledger_url.get_secret_value():
        with reading() as session:
            standing = ledger.peaks.in_force(session)
    profile_rows(known, standing, loaded.fleet, as_json=as_json)


@peak.command("show", epilog="Example: millrace peak show black-friday")
def show_profile(name: ProfileName, as_json: Json = False) -> None:
    """Show what a profile would have otherwise than the fleet file."""
    from workers.cli.peak_text import show_differences
    from workers.peaks import difference

    loaded = settings()
    profile = profile_named(loaded, name)
    if as_json:
        return show_json(profile.kept())
    say(f"{profile.name}: {profile.summary}; {_lasts(profile)}")
    return show_differences(difference(profile, loaded.fleet, {}))


@peak.command("plan", epilog="Examples: millrace peak plan black-friday   millrace peak plan --none")
def plan(
    name: Annotated[str | None, typer.Argument(help="The profile.", show_default=False)] = None,
    none: Annotated[bool, typer.Option("--none", help="Look at the fleet file alone: what taking back would do.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a profile would change: the difference, how many waiting rows move, how long each class would wait."""
    from workers.cli.peak_text import show_preview

    if (name is None) != none:
        fail("name a profile, or say --none", Exit.USAGE)
    loaded = settings()
    show_preview(_look_ahead(loaded, profile_named(loaded, name) if name else None), as_json=as_json)


@peak.command(
    "apply",
    epilog="Examples: millrace peak apply black-friday --why 'the week begins'   "
    "millrace peak apply flash-sale --why 'drop at noon' --until 2h --yes",
)
def apply(
    name: ProfileName, why: Why, until: Until = None, force: Force = False, dry_run: DryRun = False, yes: Yes = False,
    by: By = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Put a profile in force, the standing backlog included; it ends by its time, by a guard, or by `peak revert`."""
    from workers import peaks
    from workers.cli.peak_text import show_preview
    from workers.lane_actions import Operator

    loaded = settings()
    profile = profile_named(loaded, name)
    refuse_above(loaded, profile, force=force)
    now = datetime.now(UTC)
    ends_at = end_of(until, now)
    seen = _look_ahead(loaded, profile)
    if dry_run or not as_json:
        show_preview(seen, as_json=as_json)
    if dry_run:
        return None
    agree(yes, f"put {name} in force?")
    try:
        with changing(loaded) as session:
            who = Operator(operator(by), why)
            standing = peaks.apply(session, profile, who, datetime.now(UTC), ends_at=ends_at, expected=seen.change)
    except peaks.PeakChangedError as error:
        _changed(error)
    told = standing.ends_at.isoformat() if standing.ends_at else None
    if as_json:
        return show_json({"in_force": name, "change": standing.change, "ends_at": told, "by": standing.by, "why": why})
    return say(f"{name} is in force until {told or 'it is taken back'}, by {standing.by}: {why}; {_ACTS}")


@peak.command("revert", epilog="Example: millrace peak revert --why 'the week is over' --yes")
def revert(why: Why, dry_run: DryRun = False, yes: Yes = False, by: By = None, as_json: Json = False) -> None:
    """Take the profile in force back; the one before it is in force again, else the fleet file alone."""
    import ledger.peaks
    from workers import peaks
    from workers.cli.peak_text import show_preview
    from workers.lane_actions import Operator

    loaded = settings()
    with reading() as session:
        standing = ledger.peaks.in_force(session)
    if standing is None:
        fail("no peak profile is in force", Exit.NOT_FOUND)
    below = peaks.below(standing, datetime.now(UTC))
    seen = _look_ahead(loaded, peaks.standing_profile(below))
    if dry_run or not as_json:
        show_preview(seen, as_json=as_json)
    if dry_run:
        return None
    agree(yes, f"take {standing.name} back?")
    try:
        with changing(loaded) as session:
            after = peaks.revert(session, Operator(operator(by), why), datetime.now(UTC), expected=standing.change)
    except (peaks.PeakChangedError, peaks.NothingInForceError) as error:
        _changed(error)
    told = after.name if after else None
    if as_json:
        return show_json({"reverted": standing.name, "in_force": told, "why": why})
    return say(f"{standing.name} is taken back: {why}; in force is {told or 'the fleet file alone'}; {_ACTS}")


@peak.command("status", epilog="Example: millrace peak status")
def status(as_json: Json = False) -> None:
    """Show the profile in force: its end, its guards, the standing backlog, what waits for quiet hours, the pools."""
    from contextlib import closing

    from workers.cli.peak_text import show_status
    from workers.lanes import Lookout
    from workers.peak_status import status_of

    loaded = settings()
    remedy = "is it up, and migrated (millrace db upgrade)?"
    with told_if_away(remedy), closing(open_ledger(loaded)) as opened:
        lookout = Lookout(loaded.fleet, opened, redis_url=loaded.redis_url.get_secret_value())
        with closing(lookout):
            show_status(status_of(lookout, loaded.fleet, datetime.now(UTC)), as_json=as_json)


@peak.command("history", epilog="Example: millrace peak history --most 20")
def history(most: Most = 20, as_json: Json = False) -> None:
    """Show what came into force when, by whom and why, newest first."""
    import ledger.peaks
    from workers.cli.peak_text import show_history

    with reading() as session:
        found = ledger.peaks.history(session, most)
    show_history(found, as_json=as_json)


def refuse_above(loaded: "Settings", profile: "PeakProfile", *, force: bool) -> None:
    """Ends the command if the profile allows more than the fleet file and nobody said ``--force``."""
    from workers import peaks

    try:
        over = peaks.above(profile, loaded.fleet)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        fail(f"a limit of {profile.name} cannot be: {reason}", Exit.USAGE)
    if over and not force:
        fail(f"the fleet file allows less: {'; '.join(over)}; give --force to go above it all the same", Exit.REFUSED)


def end_of(until: str | None, now: datetime) -> datetime | None:
    """The end that ``--until`` gives; a past one ends the command."""
    ends_at = moment(until, now, None).astimezone(UTC) if until else None
    if ends_at is not None and ends_at <= now:
        fail(f"--until {until} is past", Exit.USAGE)
    return ends_at


def _look_ahead(loaded: "Settings", profile: "PeakProfile | None") -> "Preview":
    from contextlib import closing

    from routing import names
    from workers.lanes import Lookout
    from workers.peak_preview import Pace, preview

    now = datetime.now(UTC)
    remedy = "is it up, and migrated (millrace db upgrade)?"
    with told_if_away(remedy), closing(open_ledger(loaded)) as opened:
        lookout = Lookout(loaded.fleet, opened, redis_url=loaded.redis_url.get_secret_value())
        with closing(lookout):
            views = lookout.look([lane for lane in loaded.fleet.families if names.target_of(lane)], now)
        paces = {one.lane: Pace(one.status.working_per_s if one.status else None, one.done_per_s) for one in views}
        with opened.read() as session:
            return preview(session, loaded.fleet, profile, paces, now)


def _lasts(profile: "PeakProfile") -> str:
    from workers.cli.moments import span

    return f"lasts {span(profile.lasts_s)}" if profile.lasts_s else "lasts until it is taken back"


def _changed(error: Exception) -> NoReturn:
    fail(f"{error}: look at millrace peak status, then try again", Exit.TEMPORARY)
