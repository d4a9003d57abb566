"""Runs `millrace rehearse`: what a peak would do to this fleet, before it comes."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli import rehearse_options as options
from workers.cli.exits import EPILOG, Exit
from workers.cli.moments import moment, seconds, span
from workers.cli.output import Json, fail, say, show_json
from workers.cli.wiring import open_ledger, settings, told_if_away

if TYPE_CHECKING:
    from config.peaks import PeakProfile
    from config.settings import Settings
    from routing.names import Class
    from workers.plan import Rules
    from workers.rehearse.arrivals import Arrival
    from workers.rehearse.erp import Outage
    from workers.rehearse.figures import Prediction
    from workers.rehearse.service import Service

EXAMPLES = (
    "Examples: millrace rehearse black-friday --arrivals flash-sale --rate 5 --multiplier 20 --for 2h --promise high=5m   "
    "millrace rehearse current --arrivals last-year.csv --lanes deliver.netsuite --from-ledger --plot peak.png   "
    "millrace rehearse black-friday --arrivals flat --rate 40 --for 1h --outage netsuite=20m+10m --workers deliver=3 --json\n\n"
)


def rehearse(
    profile: options.Profile,
    arrivals: options.Arrivals,
    lanes: options.Lanes = None,
    rate: options.Rate = 1.0,
    multiplier: options.Multiplier = 1.0,
    lasts: options.Lasts = "1h",
    channel: options.Channel = "",
    part: options.Parts = None,
    service: options.ServiceFile = None,
    from_ledger: options.FromLedger = False,
    workers: options.Workers = None,
    promise: options.Promises = None,
    outage: options.Outages = None,
    begins: options.Begins = "",
    longest: options.Longest = "7d",
    seed: options.Seed = 1,
    plot: options.Plot = None,
    save: options.SaveArrivals = None,
    as_json: Json = False,
) -> None:
    """Predict a peak: backlog and waits by class, drain time, breached promises, the allowance used and the workers it takes.

    The picking, routing, limiter, windows and retries are production's own, under a clock that jumps. Nothing is sent and
    nothing is changed. What operators set and the maintenance windows are read from the ledger where there is one.
    """
    from config.settings import load_secrets
    from workers.rehearse.figures import predict
    from workers.rehearse.scenes import Wish, scene_of
    from workers.rehearse.stage import rehearse as play

    _drawable(plot)
    loaded = settings()
    fleet = loaded.fleet
    some, dated_s = _arrivals(arrivals, loaded, rate, multiplier, seconds(lasts), channel, part or [], seed)
    begins_s = _beginning(begins, dated_s)
    rules = _rules(loaded, begins_s)
    wish = Wish(begins_s, lanes or (), _counts(workers or []), _outages(outage or [], fleet.targets), seconds(longest), seed)
    times = _service(loaded, service, from_ledger=from_ledger)
    scene = scene_of(fleet, _profile(loaded, profile, rules), rules, load_secrets(), times, wish)
    if save is not None:
        _save(save, some)
    with _progress(len(some)) as tell:
        told = predict(play(scene, some, tell), _promises(promise or []))
    assumed = times.told([name for name in fleet.targets if f"deliver.{name}" in scene.lanes])
    _show(told, assumed, profile, begins_s, as_json=as_json)
    if plot is not None:
        _draw(f"Rehearsal of {profile} with {arrivals}", told, plot)


def _beginning(begins: str, dated_s: float | None) -> float:
    """When it begins, in seconds since 1970: as told, else the file's own date, else now."""
    now = datetime.now(UTC)
    return moment(begins, now, UTC).timestamp() if begins else dated_s or now.timestamp()


def _save(path: Path, some: Sequence["Arrival"]) -> None:
    from workers.rehearse.arrivals import write_arrivals

    write_arrivals(path, some)


def _show(
    told: "Prediction", assumed: Mapping[str, Mapping[str, float]], profile: str, begins_s: float, *, as_json: bool
) -> None:
    from workers.cli import rehearse_text

    if not as_json:
        return rehearse_text.show(told, assumed)
    given = {"profile": profile, "begins_at": datetime.fromtimestamp(begins_s, UTC), "times": assumed}
    return show_json(given | rehearse_text.values(told))


def _draw(title: str, told: "Prediction", plot: Path) -> None:
    from workers.cli.rehearse_plot import draw

    draw(title, told, plot)
    say(f"{plot}: {told.arrivals} arrivals over {span(told.lasts_s)}")


def _drawable(plot: Path | None) -> None:
    """Told before the long work, not after it."""
    if plot is None:
        return
    if plot.suffix not in (".png", ".svg"):
        fail(f"{plot}: name a file that ends in .png or .svg", Exit.USAGE)
    try:
        import matplotlib  # noqa: F401, ICN001
    except ImportError:
        fail("matplotlib is not installed: install the extra, pip install 'millrace[plot]'", Exit.FAILED)


def _arrivals(
    told: str, loaded: "Settings", rate: float, multiplier: float, lasts_s: float, channel: str, part: Sequence[str], seed: int
) -> tuple[list["Arrival"], float | None]:
    from config.nearest import hint
    from workers.rehearse.arrivals import read_arrivals
    from workers.rehearse.curves import DEFAULT_SHAPES, Curve, arrivals_of

    sources = loaded.fleet.sources
    if told not in options.CURVES:
        path = Path(told)
        if not path.is_file():
            fail(f"--arrivals {told}: neither a file nor a curve ({', '.join(options.CURVES)})", Exit.USAGE)
        return read_arrivals(path, sources)
    source = channel or next(iter(sources))
    if source not in sources:
        fail(f"--channel {source!r} is no source of the fleet file; {hint(source, sources)}", Exit.USAGE)
    parts = dict(DEFAULT_SHAPES) | {name: _number(value, f"--part {name}") for name, value in map(_pair, part)}
    if unknown := sorted(parts.keys() - DEFAULT_SHAPES.keys()):
        fail(f"--part {unknown[0]}: write {' or '.join(DEFAULT_SHAPES)}", Exit.USAGE)
    if sum(parts.values()) > 1 or min(parts.values()) < 0:
        fail("--part: parts are from 0 to 1, and 1 together at most", Exit.USAGE)
    return arrivals_of(Curve(told, rate, multiplier, lasts_s), source, seed, parts), None


def _rules(loaded: "Settings", at_s: float) -> "Rules":
    from workers.plan import read_rules
    from workers.rehearse.scenes import NOTHING_SET

    if not loaded.ledger_url.get_secret_value():
        say("no MILLRACE_LEDGER_URL: the fleet file alone, without what operators set and without windows")
        return NOTHING_SET
    with told_if_away("leave MILLRACE_LEDGER_URL out to rehearse the fleet file alone"):
        opened = open_ledger(loaded)
        try:
            with opened.read() as session:
                return read_rules(session, datetime.fromtimestamp(at_s, UTC))
        finally:
            opened.close()


def _profile(loaded: "Settings", name: str, rules: "Rules") -> "PeakProfile | None":
    from config.nearest import hint
    from config.peaks import load_profiles
    from workers.rehearse.scenes import CURRENT, profile_in_force

    if name == CURRENT:
        return profile_in_force(rules)
    profiles = load_profiles(loaded.peaks_folder)
    if name not in profiles:
        fail(f"no peak profile {name!r} in {loaded.peaks_folder}; {hint(name, [*profiles, CURRENT])}", Exit.NOT_FOUND)
    return profiles[name]


def _service(loaded: "Settings", path: Path | None, *, from_ledger: bool) -> "Service":
    from workers.rehearse.service import Service, load_service

    given = Service() if path is None else load_service(path)
    if not from_ledger:
        return given
    from workers.cli.measuring import measured

    return measured(loaded, given)


def _outages(told: Sequence[str], targets: object) -> list["Outage"]:
    from workers.rehearse.erp import Outage

    found = []
    for target, when in map(_pair, told):
        begin, plus, length = when.partition("+")
        if target not in targets or not plus:  # type: ignore[operator]  # the names of the fleet file
            fail(
                f"--outage {target}={when}: write TARGET=FROM+LENGTH of a target of the fleet file, netsuite=20m+10m", Exit.USAGE
            )
        found.append(Outage(target, seconds(begin), seconds(begin) + seconds(length)))
    return found


def _promises(told: Sequence[str]) -> dict["Class", float]:
    from routing.names import CLASSES

    pairs = dict(map(_pair, told))
    if unknown := sorted(pairs.keys() - set(CLASSES)):
        fail(f"--promise {unknown[0]}: write {', '.join(CLASSES)}", Exit.USAGE)
    return {cls: seconds(pairs[cls]) for cls in CLASSES if cls in pairs}


def _counts(told: Sequence[str]) -> dict[str, int]:
    counts = {name: int(_number(value, f"--workers {name}")) for name, value in map(_pair, told)}
    if any(count < 1 or count > 1_000 for count in counts.values()):
        fail("--workers: give from 1 to 1000 of a pool", Exit.USAGE)
    return counts


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not (name and equals and value):
        fail(f"{word!r}: write NAME=VALUE", Exit.USAGE)
    return name.strip(), value.strip()


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        fail(f"{where}: {text!r} is no number", Exit.USAGE)


@contextmanager
def _progress(arrivals: int) -> Iterator[Callable[[int, float], None]]:
    """How far it is, on a terminal: events done with, and how much time was played."""
    if not sys.stderr.isatty():
        yield lambda _done, _played_s: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("rehearsing", total=arrivals)
        yield lambda done, played_s: shown.update(task, completed=done, description=f"rehearsing, {span(played_s)} played")


EPILOG_WITH_EXAMPLES = EXAMPLES + EPILOG
