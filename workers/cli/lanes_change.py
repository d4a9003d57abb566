"""Runs `millrace lanes pause|resume|set`: what operators change in a lane, each time with who, why and how it stood before."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.asking import Yes, agree
from workers.cli.exits import Exit
from workers.cli.lanes_names import By, LaneName, Why, checked_lane, operator
from workers.cli.lanes_settings import Given, read_given, wanted_values
from workers.cli.moments import moment, seconds
from workers.cli.output import Json, fail, say, show_json, show_table
from workers.cli.wiring import changing, reading, settings

if TYPE_CHECKING:
    from config.fleet import Fleet
    from config.settings import Settings
    from workers.lane_actions import Operator

Turns = Annotated[int | None, typer.Option(min=1, max=1_000, show_default=False)]
Rate = Annotated[float | None, typer.Option(min=0.001, help="Requests a second.", show_default=False)]
Burst = Annotated[int | None, typer.Option(min=1, help="Above the rate.", show_default=False)]
AtOnce = Annotated[int | None, typer.Option(min=1, help="Requests at once.", show_default=False)]
Operations = Annotated[list[str] | None, typer.Option(help="Limits of one operation: order.create:rate_per_s=5,concurrency=2.")]
Shares = Annotated[list[str] | None, typer.Option(help="Part of a domain: orders=60.")]
Strict = Annotated[bool | None, typer.Option("--strict/--no-strict", help="A lower class only when the higher ones are empty.")]
AgedAfter = Annotated[
    str | None, typer.Option(help="Age from which a class is served at least every second turn.", metavar="SPAN")
]
Reset = Annotated[bool, typer.Option("--reset", help="Back to the fleet file, then the other options.")]
Force = Annotated[bool, typer.Option("--force", help="Also above what the fleet file allows.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show before and after.")]
_ACTS = "workers act on it within two seconds"


def register(lanes: typer.Typer) -> None:
    """Put the commands under `millrace lanes`."""
    lanes.command(
        "pause",
        epilog="Examples: millrace lanes pause deliver.netsuite --why 'wrong tax codes'   "
        "millrace lanes pause deliver.netsuite --why upgrade --until 2h --ramp 5m",
    )(pause_lane)
    lanes.command("resume", epilog="Example: millrace lanes resume deliver.netsuite --why 'codes mended' --ramp 5m")(resume_lane)
    lanes.command(
        "set",
        epilog="Examples: millrace lanes set deliver.netsuite --rate 25 --why 'month end in the ERP'   "
        "millrace lanes set deliver.netsuite --share orders=60 --share shipments=25 --why peak --yes   "
        "millrace lanes set deliver.netsuite --reset --why 'back to normal'",
    )(set_lane)


def pause_lane(
    lane: LaneName,
    why: Why,
    until: Annotated[str | None, typer.Option(help="A span (2h), a time (22:30) or a date; else until it is resumed.")] = None,
    ramp: Annotated[str | None, typer.Option(help="With --until: rise to the whole limit within this span.")] = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Pick nothing more from a lane. What runs ends; what waits keeps its place; no attempt is spent."""
    from workers import lane_actions

    if ramp and not until:
        fail("--ramp is for the end that --until gives; without it say it at the resume", Exit.USAGE)
    loaded = settings()
    checked_lane(loaded.fleet, lane)
    now = datetime.now(UTC)
    ends_at = moment(until, now, None).astimezone(UTC) if until else None
    if ends_at is not None and ends_at <= now:
        fail(f"--until {until} is past", Exit.USAGE)
    who = lane_actions.Operator(operator(by), why)
    with changing(loaded) as session:
        lane_actions.pause(session, lane, who, now, ends_at, seconds(ramp) if ramp else 0.0)
    told = ends_at.isoformat() if ends_at else None
    if as_json:
        return show_json({"paused": lane, "until": told, "by": who.by, "why": why})
    return say(f"{lane} is paused by {who.by} until {told or 'it is resumed'}: {why}; {_ACTS}")


def resume_lane(
    lane: LaneName,
    why: Why,
    ramp: Annotated[str, typer.Option(help="Rise to the whole limit within this span; 0 at once.")] = "0",
    by: By = None,
    as_json: Json = False,
) -> None:
    """End a pause. A maintenance window goes on: end it with `millrace lanes windows canary` or `cancel`."""
    from workers import lane_actions

    loaded = settings()
    checked_lane(loaded.fleet, lane)
    who = lane_actions.Operator(operator(by), why)
    with changing(loaded) as session:
        was_set = lane_actions.resume(session, lane, who, datetime.now(UTC), seconds(ramp))
    if not was_set:
        fail(f"{lane} is not paused; see millrace lanes show {lane}", Exit.NOT_FOUND)
    if as_json:
        return show_json({"resumed": lane, "ramp_s": seconds(ramp), "by": who.by, "why": why})
    return say(f"{lane} is resumed by {who.by}{f' within {ramp}' if seconds(ramp) else ''}: {why}; {_ACTS}")


def set_lane(
    lane: LaneName,
    why: Why,
    rate: Rate = None,
    burst: Burst = None,
    concurrency: AtOnce = None,
    operation: Operations = None,
    share: Shares = None,
    high: Turns = None,
    normal: Turns = None,
    low: Turns = None,
    strict: Strict = None,
    aged_after: AgedAfter = None,
    reset: Reset = False,
    force: Force = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Change limit, shares or weights of a lane at run time; the standing backlog included."""
    from workers import lane_actions
    from workers.lane_words import above_file

    loaded = settings()
    fleet = loaded.fleet
    checked_lane(fleet, lane)
    numbers = {"rate_per_s": rate, "burst": burst, "concurrency": concurrency}
    turns: dict[str, float | None] = {"high": high, "normal": normal, "low": low, "strict": strict}
    turns["aged_after_s"] = seconds(aged_after) if aged_after else None
    given = read_given(lane, numbers, operation or [], share or [], turns)
    if given == Given() and not reset:
        fail(
            "say what to set: --rate, --burst, --concurrency, --operation, --share, --high, --low, --strict, --reset", Exit.USAGE
        )
    before, after, values, expected = _compared(fleet, lane, given, reset)
    over = above_file(fleet, lane, values)
    if over and not force:
        fail(f"the fleet file allows less: {'; '.join(over)}; give --force to go above it all the same", Exit.REFUSED)
    if dry_run:
        return _show_change(before, after, as_json)
    if not as_json:
        _show_change(before, after, as_json)
    agree(yes, f"change {lane}?")
    who = lane_actions.Operator(operator(by), why)
    _put(loaded, lane, who, values, expected)
    if as_json:
        return show_json({"lane": lane, "before": before, "after": after, "by": who.by, "why": why})
    return say(f"{lane} is changed by {who.by}: {why}; {_ACTS}")


def _put(loaded: "Settings", lane: str, who: "Operator", values: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    from workers import lane_actions

    try:
        with changing(loaded) as session:
            lane_actions.set_values(session, lane, who, datetime.now(UTC), values, expected)
    except lane_actions.LaneChangedError as error:
        fail(f"{error}; nothing was changed: look at the difference again", Exit.REFUSED)


def _compared(
    fleet: "Fleet", lane: str, given: Given, reset: bool
) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """What is in force before and after, flat, the values to be put, and those that they take the place of."""
    from ledger import controls
    from workers.lane_actions import set_of
    from workers.lane_rules import name_of
    from workers.lane_words import flat
    from workers.maintenance import Windows
    from workers.plan import Rules

    with reading() as session:
        set_now = controls.read_all(session)
    values = wanted_values(set_now, lane, given, reset)
    then: dict[str, Mapping[str, Any]] = dict(set_now)
    then |= {name_of(kind, lane): value for kind, value in values.items()}
    then = {name: value for name, value in then.items() if value or not name.endswith(f".{lane}")}
    over = Rules(set_now, Windows()).over(fleet)
    try:
        return flat(over, lane, set_now), flat(over, lane, then), values, set_of(set_now, lane, values)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        fail(f"this limit cannot be: {reason}", Exit.USAGE)


def _show_change(before: dict[str, str], after: dict[str, str], as_json: bool) -> None:
    if as_json:
        return show_json({"before": before, "after": after})
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if not changed:
        return say("nothing would change")
    return show_table(["", "before", "after"], [(name, before.get(name, "-"), after.get(name, "-")) for name in changed])
