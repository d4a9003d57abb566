"""Runs the reading of a maintenance window from words, and its phases as people and programs see them."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from workers.cli.exits import Exit
from workers.cli.lanes_table import clock
from workers.cli.moments import moment, span
from workers.cli.output import fail, show_table

if TYPE_CHECKING:
    from ledger.windows import NewWindow
    from routing.windows import Maintenance
    from workers.maintenance import Windows

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHOWN = 3


def read_when(start: str | None, weekly: str | None, at: str | None, zone: str, now: datetime) -> dict[str, Any]:
    """Columns of a window's time: once or weekly. Ends the command for what is no time, day or zone."""
    if (start is None) == (weekly is None) or (weekly is None) != (at is None):
        fail("give --start for once, or --weekly sat,sun with --at 01:00", Exit.USAGE)
    known = _zone(zone)
    if start is not None:
        return {"starts_at": moment(start, now, known).astimezone(UTC), "weekdays": None, "local_time": None, "zone": None}
    return {"starts_at": None, "weekdays": _weekdays(weekly or ""), "local_time": _time_of_day(at or ""), "zone": zone}


def window_of(new: "NewWindow") -> "Maintenance":
    """The window that a new row makes. Ends the command where it could not be one."""
    from ledger.windows import NewWindow, WindowRow
    from workers.maintenance import windows_of

    row = WindowRow(**{name: getattr(new, name) for name in NewWindow.__dataclass_fields__}, id=0)
    try:
        return windows_of([row], []).windows[0]
    except ValueError as error:
        fail(str(error), Exit.USAGE)


def planned(window: "Maintenance", now: datetime) -> list[dict[str, Any]]:
    """The phases of the first occurrences, as values with absolute times."""
    from routing.windows import occurrences, phases

    since = window.when if isinstance(window.when, datetime) else now - timedelta(seconds=window.duration_s)
    until = max(since, now) + timedelta(days=8 * _SHOWN)
    starts = [at for at in occurrences(window, since, until) if at + timedelta(seconds=window.duration_s) > now][:_SHOWN]
    return [
        {
            "occurrence": start.isoformat(),
            "phase": phase.kind,
            "from": phase.starts_at.isoformat(),
            "until": phase.ends_at.isoformat() if phase.ends_at else None,
        }
        for start in starts
        for phase in phases(window, start)
    ]


def show_planned(plan: list[dict[str, Any]], window: "Maintenance", zone: str) -> None:
    """The phases as a table, in UTC and by the clock of the zone."""
    local = _zone(zone)
    rows = []
    for one in plan:
        begins = datetime.fromisoformat(one["from"])
        ends = clock(datetime.fromisoformat(one["until"])) if one["until"] else f"{window.canary} accepted"
        rows.append([one["phase"], clock(begins), f"{begins.astimezone(local):%a %Y-%m-%d %H:%M:%S %Z}", ends])
    if plan[-1]["phase"] == "canary":
        rows.append(["ramp", "then", "", f"{span(window.ramp_s)} later"])
    show_table(["phase", "from (UTC)", f"from ({zone})", "until (UTC)"], rows)


def told(known: "Windows", window: "Maintenance", now: datetime) -> dict[str, Any]:
    """A window with the phase it is in, as values."""
    from routing.windows import current, next_occurrence, strictest

    standing = strictest(current(window, known.of(window), now))
    coming = next_occurrence(window, known.of(window), now)
    progress = known.of(window).get(standing.occurs_at) if standing else None
    return {
        "window": window.id,
        "lane": window.lane,
        "when": _when(window),
        "lasts": span(window.duration_s),
        "phase": standing.phase.kind if standing else "",
        "phase_until": standing.phase.ends_at.isoformat() if standing and standing.phase.ends_at else None,
        "accepted": progress.accepted if progress else 0,
        "canary": window.canary,
        "next": clock(coming) if coming else "",
        "why": window.why,
    }


def _when(window: "Maintenance") -> str:
    if isinstance(window.when, datetime):
        return f"once, {clock(window.when)} UTC"
    days = ",".join(DAYS[day] for day in sorted(window.when.weekdays))
    return f"{days} {window.when.at:%H:%M} {window.when.zone}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        fail(f"no time zone {name!r}; give a name like Europe/Berlin", Exit.USAGE)


def _weekdays(text: str) -> str:
    from config.nearest import hint

    numbers = set()
    for word in text.lower().split(","):
        if word.strip() not in DAYS:
            fail(f"--weekly {text}: no day {word.strip()!r}; {hint(word.strip(), DAYS)}", Exit.USAGE)
        numbers.add(DAYS.index(word.strip()))
    return "".join(str(number) for number in sorted(numbers))


def _time_of_day(text: str) -> str:
    try:
        return datetime.strptime(text, "%H:%M").strftime("%H:%M")  # noqa: DTZ007  a time of day has no zone of its own
    except ValueError:
        fail(f"--at {text}: write a time of day, 01:00", Exit.USAGE)
