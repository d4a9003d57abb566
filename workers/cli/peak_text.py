"""Shows peak profiles on the terminal: differences, looks ahead, status, history, what is to come."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from config.fleet import Fleet
from config.nearest import ConfigError
from config.peaks import PeakProfile
from ledger.peaks import Change, InForce, Scheduled
from workers.cli.moments import span
from workers.cli.output import age, say, show_json, show_table
from workers.peak_guards import Watch
from workers.peak_preview import Preview
from workers.peak_status import PeakStatus
from workers.peaks import Difference, guard_words

_MOMENT = "%Y-%m-%d %H:%M:%S"


def profile_rows(known: Mapping[str, PeakProfile], standing: InForce | None, fleet: Fleet, *, as_json: bool) -> None:
    """Profiles with whether they fit the fleet and which is in force."""
    rows = [
        {
            "name": name,
            "in_force": standing is not None and standing.name == name,
            "lasts_s": profile.lasts_s,
            "summary": profile.summary,
            "wrong": _wrong(profile, fleet),
        }
        for name, profile in known.items()
    ]
    if as_json:
        return show_json(rows)
    if not rows:
        return say("no profiles in the folder")
    cells = [
        (str(row["name"]), "in force" if row["in_force"] else "", span(profile.lasts_s), profile.summary, str(row["wrong"]))
        for row, profile in zip(rows, known.values(), strict=True)
    ]
    return show_table(["profile", "", "lasts", "summary", "does not fit"], cells)


def show_differences(found: Sequence[Difference]) -> None:
    """What differs, one a line."""
    if not found:
        return say("nothing differs")
    return show_table(["", "", "now", "then", ""], [(one.where, one.what, one.before, one.after, one.note) for one in found])


def show_preview(seen: Preview, *, as_json: bool) -> None:
    """A look ahead: difference, rows that move, waits."""
    if as_json:
        return show_json(asdict(seen))
    say(f"in force: {seen.in_force or 'the fleet file alone'}; then: {seen.profile or 'the fleet file alone'}")
    show_differences(seen.differences)
    about = "about " if seen.guessed else ""
    if seen.moves:
        show_table(["lane", "from", "to", "rows"], [(m.lane, m.before, m.after, f"{about}{m.rows}") for m in seen.moves])
    if seen.resting or seen.waking:
        say(f"{about}{seen.resting} waiting rows would rest until quiet hours, {seen.waking} that rest would go on")
    if seen.waits:
        head = ["lane", "class", "waiting", "then", "last goes in", "then in"]
        show_table(
            head, [(w.lane, w.cls, str(w.rows), str(w.rows_then), span(w.wait_s), span(w.wait_then_s)) for w in seen.waits]
        )
        say("waits: if nothing more came, at the rate the lane gives now; '-': it has neither rate nor pace")
    if seen.guessed:
        say(f"more waits than the {seen.looked_at} rows that were looked at: the figures are estimates")
    return None


def show_status(seen: PeakStatus, *, as_json: bool) -> None:
    """How it stands."""
    if as_json:
        return show_json(_status(seen))
    standing, change = seen.standing, seen.change
    if standing is None:
        last = f"; last: {change.action} of {change.before_name}, {age(change.at)} ago: {change.reason}" if change else ""
        say(f"no peak profile is in force{last if change and change.name is None else ''}")
    else:
        ends = f"until {standing.ends_at:{_MOMENT}} UTC" if standing.ends_at else "until it is taken back"
        below = f"; then {standing.previous.name}" if standing.previous else ""
        line = f"{standing.name} since {standing.since:{_MOMENT}} UTC, {ends}{below}, by {standing.by}: {standing.why}"
        sys.stdout.write(f"{line}\n")
    _show_beneath(seen)
    return None


def show_history(found: Sequence[Change], *, as_json: bool) -> None:
    """What came into force when."""
    if as_json:
        return show_json([asdict(one) for one in found])
    if not found:
        return say("no peak profile was ever in force")
    cells = [
        (
            str(one.id), f"{one.at:{_MOMENT}}", one.action, one.before_name or "-", one.name or "-", str(one.moved), one.by,
            one.reason,
        )
        for one in found
    ]  # fmt: skip
    return show_table(["", "at (UTC)", "deed", "before", "in force", "rows moved", "by", "why"], cells)


def show_scheduled(found: Sequence[Scheduled], *, as_json: bool) -> None:
    """What is to come."""
    if as_json:
        return show_json([{k: v for k, v in asdict(one).items() if k != "profile"} for one in found])
    if not found:
        return say("nothing is scheduled")
    cells = [
        (
            str(one.id), one.name, f"{one.starts_at:{_MOMENT}}", _local(one.starts_at, one.zone), _local(one.ends_at, one.zone),
            one.zone, one.state, one.by, one.reason,
        )
        for one in found
    ]  # fmt: skip
    return show_table(["", "profile", "starts (UTC)", "starts", "ends", "zone", "state", "by", "why"], cells)


def _show_beneath(seen: PeakStatus) -> None:
    change = seen.change
    if change is not None and change.settled_at is None:
        say(f"the standing backlog is being put under it: {change.moved} rows until now")
    if seen.keeper_until is None or seen.keeper_until < seen.at:
        say("no relay looks after it: schedule, end, guards and backlog stand still; start millrace relay")
    if seen.unreadable:
        say(f"this release cannot read it, workers go by the fleet file: {seen.unreadable}")
    if seen.watched:
        show_table(["guard", "now", "broken"], [(guard_words(w.guard), _figure(w), _broken(w, seen.at)) for w in seen.watched])
    if seen.resting:
        head = ["lane", "domain", "class", "rest", "oldest", "first goes (UTC)", "last goes (UTC)"]
        cells = [
            (
                f"deliver.{r.target}", r.domain, r.cls, str(r.count), age(r.oldest_at), f"{r.first_until:{_MOMENT}}",
                f"{r.last_until:{_MOMENT}}",
            )
            for r in seen.resting
        ]  # fmt: skip
        show_table(head, cells)
    _show_pools(seen.pools)
    if seen.next is not None:
        say(f"next: {seen.next.name} at {_local(seen.next.starts_at, seen.next.zone)} {seen.next.zone} (schedule {seen.next.id})")


def _show_pools(pools: Mapping[str, Any]) -> None:
    workers = pools.get("workers", {})
    if workers:
        cells = [(name, w["pool"], str(w["size"]), str(w["wanted"]), w.get("told", "")) for name, w in sorted(workers.items())]
        show_table(["worker", "pool", "runs at once", "wanted", "not done because"], cells)
    for told in pools.get("missing", []):
        say(told)


def _status(seen: PeakStatus) -> dict[str, Any]:
    standing, change = seen.standing, seen.change
    told: dict[str, Any] = {"in_force": None}
    if standing is not None:
        told["in_force"] = {
            "name": standing.name, "since": standing.since, "by": standing.by, "why": standing.why, "ends_at": standing.ends_at,
            "change": standing.change, "then": standing.previous.name if standing.previous else None,
        }  # fmt: skip
    if change is not None:
        told["last_change"] = {
            "id": change.id, "at": change.at, "deed": change.action, "by": change.by, "why": change.reason,
            "moved": change.moved, "backlog_settled": change.settled_at is not None,
        }  # fmt: skip
    kept = seen.keeper_until is not None and seen.keeper_until >= seen.at
    told |= {"kept": kept, "unreadable": seen.unreadable or None}
    told["guards"] = [
        {"guard": guard_words(w.guard), "figure": w.figure, "broken_since": w.since, "over": w.over} for w in seen.watched
    ]
    told["resting"] = [asdict(one) for one in seen.resting]
    told["pools"] = seen.pools
    told["next"] = {"schedule": seen.next.id, "name": seen.next.name, "starts_at": seen.next.starts_at} if seen.next else None
    return told


def _wrong(profile: PeakProfile, fleet: Fleet) -> str:
    try:
        profile.fits(fleet)
    except ConfigError as error:
        return str(error).replace("\n", "; ")
    return ""


def _figure(watched: Watch) -> str:
    return "nobody can tell" if watched.figure is None else f"{watched.figure:g}"


def _broken(watched: Watch, at: datetime) -> str:
    return "" if watched.since is None else f"for {span((at - watched.since).total_seconds())}"


def _local(moment: datetime | None, zone: str) -> str:
    return "-" if moment is None else f"{moment.astimezone(ZoneInfo(zone)):{_MOMENT}}"
