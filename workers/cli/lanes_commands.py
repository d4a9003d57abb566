"""Runs `millrace lanes list|show|plot`: what limits, holds and waits in every lane, now and over the last hour."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.exits import EPILOG, Exit
from workers.cli.lanes_change import register
from workers.cli.lanes_names import LaneName, checked_lane
from workers.cli.lanes_windows import windows
from workers.cli.moments import seconds, span
from workers.cli.output import Json, fail, say, show_json, show_table
from workers.cli.wiring import open_ledger, settings, told_if_away

if TYPE_CHECKING:
    from ledger.actions import Action
    from workers.lanes import LaneView, Lookout

lanes = typer.Typer(help="Limits, pauses and maintenance windows of the lanes, and what waits in them.", epilog=EPILOG,
                    no_args_is_help=True)  # fmt: skip
lanes.add_typer(windows, name="windows")
register(lanes)

Watch = Annotated[bool, typer.Option("--watch", help="Look again every second until interrupted; with --json one line each.")]
Looks = Annotated[int | None, typer.Option("--looks", min=1, help="With --watch: end after so many.", show_default=False)]

_EVERY_S = 1.0
_ACTIONS = 10


@lanes.command("list", epilog="Examples: millrace lanes list   millrace lanes list --watch   millrace lanes list --json")
def list_lanes(watch: Watch = False, looks: Looks = None, as_json: Json = False) -> None:
    """Show every lane: state, limit, working limit, permits, what waits by class and age, throttle answers, breaker, drain."""
    with _lookout() as (lookout, names):
        if watch:
            return _watch(lookout, names, looks, as_json)
        views = lookout.look(names, datetime.now(UTC))
        _show(views, lookout.away, as_json)
    return None


@lanes.command("show", epilog="Example: millrace lanes show deliver.netsuite")
def show_lane(lane: LaneName, watch: Watch = False, looks: Looks = None, as_json: Json = False) -> None:
    """Show one lane in full: by domain and class, by operation, and what operators did to it last."""
    import ledger.actions
    from workers.cli.lanes_table import values

    with _lookout(lane) as (lookout, names):
        if watch:
            return _watch(lookout, names, looks, as_json)
        (view,) = lookout.look(names, datetime.now(UTC))
        with lookout.ledger.read() as session:
            done = ledger.actions.listed(session, lane, _ACTIONS)
        if as_json:
            return show_json({"away": lookout.away} | values(view) | {"actions": [_action(one) for one in done]})
        _show_whole(view, done, lookout.away)
    return None


@lanes.command("plot", epilog="Example: millrace lanes plot deliver.netsuite --since 15m --out lanes.png")
def plot_lane(
    lane: LaneName,
    since: Annotated[str, typer.Option(help="How far back, at most an hour.", metavar="SPAN")] = "15m",
    out: Annotated[Path, typer.Option(help="A .png or .svg file.")] = Path("lanes.png"),
    as_json: Json = False,
) -> None:
    """Draw the limit against what was granted, answered and throttled each second."""
    from adapters.throttle.base import Limit, OutOfReachError
    from routing.names import target_of

    if out.suffix not in (".png", ".svg"):
        fail(f"{out}: name a file that ends in .png or .svg", Exit.USAGE)
    since_s = min(seconds(since), 3_600.0)
    try:
        from workers.cli.lanes_plot import draw
    except ImportError:
        fail("matplotlib is not installed: install the extra, pip install 'millrace[plot]'", Exit.FAILED)
    with _lookout(lane) as (lookout, _):
        target = target_of(lane)
        if target is None:
            fail(f"{lane} posts to no target, so nothing limits it; give a lane deliver.TARGET", Exit.USAGE)
        (view,) = lookout.look([lane], datetime.now(UTC))
        try:
            samples = lookout.samples(target, view.limit or Limit(), since_s)
        except OutOfReachError as error:
            fail(f"the limiter's seconds cannot be read: {error}; they are kept in Redis", Exit.UNAVAILABLE)
    if not samples:
        fail(f"{lane} asked for no permit in the last {span(since_s)}: nothing to draw", Exit.NOT_FOUND)
    draw(lane, samples, view.limit.rate_per_s if view.limit else None, out)
    if as_json:
        return show_json({"lane": lane, "seconds": len(samples), "file": str(out)})
    return say(f"{out}: {len(samples)} seconds of {lane}")


@contextmanager
def _lookout(lane: str | None = None) -> Iterator[tuple["Lookout", Sequence[str]]]:
    from workers.lanes import Lookout

    loaded = settings()
    names = loaded.fleet.families if lane is None else (checked_lane(loaded.fleet, lane),)
    opened = open_ledger(loaded)
    urls = {"redis_url": loaded.redis_url.get_secret_value(), "broker_url": loaded.broker_url.get_secret_value()}
    lookout = Lookout(loaded.fleet, opened, **urls)
    try:
        with told_if_away("is it up, and migrated (millrace db upgrade)?"):
            yield lookout, names
    finally:
        lookout.close()
        opened.close()


def _show(views: Sequence["LaneView"], away: Sequence[str], as_json: bool) -> None:
    from workers.cli.lanes_table import HEADINGS, cells, values

    if as_json:
        return show_json({"away": list(away), "lanes": [values(view) for view in views]})
    show_table(HEADINGS, [cells(view) for view in views])
    for word in away:
        say(word)
    return None


def _watch(lookout: "Lookout", names: Sequence[str], looks: int | None, as_json: bool) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from workers.cli.lanes_table import places, table, values

    seen = _looks(lookout, names, looks)
    if as_json:
        for at, views in seen:
            line = {"at": at.isoformat(), "away": lookout.away, "lanes": [values(view) for view in views]}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        return
    if not sys.stdout.isatty():
        for at, views in seen:
            sys.stdout.write(f"{at:%Y-%m-%d %H:%M:%S} UTC\n")
            _show(views, lookout.away, as_json=False)
            sys.stdout.flush()
        return
    with Live(console=Console(), auto_refresh=False, screen=looks is None) as live:
        for at, views in seen:
            words = [Text(f"{at:%H:%M:%S} UTC, Ctrl-C ends", style="dim"), *(Text(word, style="yellow") for word in lookout.away)]
            more = [places(views[0])] if len(views) == 1 and views[0].waiting else []
            live.update(Group(table(views), *more, *words), refresh=True)


def _looks(lookout: "Lookout", names: Sequence[str], most: int | None) -> Iterator[tuple[datetime, list["LaneView"]]]:
    seen = 0
    while most is None or seen < most:
        began = time.monotonic()
        at = datetime.now(UTC)
        yield at, lookout.look(names, at)
        seen += 1
        if most is None or seen < most:
            time.sleep(max(0.0, began + _EVERY_S - time.monotonic()))


def _show_whole(view: "LaneView", done: Sequence["Action"], away: Sequence[str]) -> None:
    from workers.cli.lanes_table import HEADINGS, PLACES, cells, clock, limiter_values, place_rows

    pairs = list(zip(HEADINGS, cells(view), strict=True))
    if view.status is not None:
        pairs += [(name.replace("_", " "), str(value)) for name, value in limiter_values(view.status).items()]
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        if value not in ("", "-", "[]", "{}", "None"):
            sys.stdout.write(f"{name:<{width}}  {value}\n")
    if view.waiting:
        show_table(PLACES, place_rows(view))
    if done:
        show_table(["when", "who", "did", "why"], [(clock(one.at), one.by, one.action, one.reason) for one in done])
    for word in away:
        say(word)


def _action(one: "Action") -> dict[str, object]:
    return {name: getattr(one, name) for name in ("at", "by", "action", "reason", "before", "after")}
