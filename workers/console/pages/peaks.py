"""Runs the pages of peak profiles: what is in force, what a profile would change, apply and take back with a reason."""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

import ledger.peaks
from config.nearest import ConfigError
from config.peaks import PeakProfile, load_profiles
from routing import names
from workers import peaks
from workers.console.desk import Desk
from workers.console.live import Live
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import Plan, ask, no_reason, reason_of, sure
from workers.lane_actions import Operator
from workers.peak_preview import Pace, Preview, preview
from workers.peak_status import status_of

MOST_CHANGES = 20
SPANS_S = {"": None, "1h": 3_600, "4h": 14_400, "12h": 43_200, "1d": 86_400, "4d": 345_600}
_ACTS = "Workers act on it within two seconds; the relay puts the standing backlog under it."


def overview(visit: Visit) -> Response:
    """What is in force, and every profile there is."""
    desk = visit.desk
    try:
        known = load_profiles(desk.settings.peaks_folder)
    except ConfigError as error:
        return visit.refuse(500, f"The profiles cannot be read: {error}")
    with desk.context.ledger.read() as session:
        history = ledger.peaks.history(session, MOST_CHANGES)
        to_come = ledger.peaks.scheduled(session, MOST_CHANGES)
    rows = [(profile, _misfit(profile, desk)) for profile in known.values()]
    return visit.show("peaks.html", profiles=rows, history=history, to_come=to_come, span_choices=SPANS_S, **_status(desk))


def live(desk: Desk) -> str:
    """How what is in force stands now."""
    return desk.render("peaks_body.html", **_status(desk))


def profile(visit: Visit) -> Response:
    """One profile: what it would change, which rows would move, how long each class would wait."""
    found = profile_of(visit)
    if isinstance(found, Response):
        return found
    seen = _ahead(visit.desk, found)
    over = beyond(found, visit.desk)
    return visit.show(
        "peak.html", w=retail, at=visit.desk.clock(), profile=found, seen=seen, over=over, span_choices=SPANS_S,
        guards=[peaks.guard_words(guard) for guard in found.guards],
    )  # fmt: skip


def apply(visit: Visit) -> Response:
    """Put a profile in force."""
    found, reason = profile_of(visit), reason_of(visit)
    if isinstance(found, Response):
        return found
    if reason is None:
        return no_reason(visit)
    if beyond(found, visit.desk):
        return visit.refuse(
            409, "The fleet file allows less than this profile: put it in force with millrace peak apply --force."
        )
    span_s = SPANS_S.get(visit.form.get("for", ""))
    if not sure(visit):
        return ask(visit, _plan(visit, found, span_s, reason))
    at = visit.desk.clock()
    ends_at = at + timedelta(seconds=span_s) if span_s else None
    try:
        with visit.desk.context.ledger.write() as session:
            peaks.apply(session, found, operator_of(visit, reason), at, ends_at=ends_at, expected=_seen(visit))
    except peaks.PeakChangedError as error:
        return visit.refuse(409, f"Nothing was changed: {error}. Look at the difference again.")
    return visit.go("/peaks", f"{found.name} is in force. {_ACTS}")


def revert(visit: Visit) -> Response:
    """Take the profile in force back."""
    reason, desk = reason_of(visit), visit.desk
    if reason is None:
        return no_reason(visit)
    with desk.context.ledger.read() as session:
        standing = ledger.peaks.in_force(session)
    if standing is None:
        return visit.refuse(409, "No profile is in force. Its time was over, or somebody took it back before you.")
    if not sure(visit):
        after = peaks.below(standing, desk.clock())
        seen = _ahead(desk, peaks.standing_profile(after))
        facts = (("In force then", after.name if after else "the fleet file alone"), *_facts(seen))
        return ask(visit, Plan(f"Take {standing.name} back", "Take it back", "/peaks/revert", "/peaks", reason, _ACTS, facts,
                               _changes(seen), {"seen": str(standing.change)}))  # fmt: skip
    try:
        with desk.context.ledger.write() as session:
            peaks.revert(session, operator_of(visit, reason), desk.clock(), expected=_seen(visit))
    except (peaks.PeakChangedError, peaks.NothingInForceError) as error:
        return visit.refuse(409, f"Nothing was changed: {error}. Look again.")
    return visit.go("/peaks", f"{standing.name} is taken back. {_ACTS}")


def _plan(visit: Visit, found: PeakProfile, span_s: int | None, reason: str) -> Plan:
    seen = _ahead(visit.desk, found)
    lasts_s = span_s or found.lasts_s
    ends = f"after {retail.about(timedelta(seconds=lasts_s))}" if lasts_s else "when somebody takes it back"
    facts = (("In force now", seen.in_force or "the fleet file alone"), ("It ends", ends), *_facts(seen))
    fields = {"for": visit.form.get("for", ""), "seen": str(seen.change)}
    place = f"/peaks/{found.name}"
    title, verb, changes = f"Put {found.name} in force", "Put it in force", _changes(seen)
    return Plan(title, verb, f"{place}/apply", place, reason, _ACTS, facts, changes, fields)


def _facts(seen: Preview) -> tuple[tuple[str, str], ...]:
    about = "about " if seen.guessed else ""
    moved = sum(move.rows for move in seen.moves)
    facts = [("Waiting rows that get another class", f"{about}{retail.counted(moved)}")]
    if seen.resting:
        facts.append(("Waiting rows that rest until quiet hours", f"{about}{retail.counted(seen.resting)}"))
    if seen.waking:
        facts.append(("Resting rows that go on", retail.counted(seen.waking)))
    return tuple(facts)


def _changes(seen: Preview) -> list[tuple[str, str, str]]:
    return [(f"{one.where}: {one.what}", one.before, one.after) for one in seen.differences]


def _status(desk: Desk) -> dict[str, Any]:
    at = desk.clock()
    return {"w": retail, "at": at, "stand": status_of(desk.lookout(), desk.fleet, at), "guard_words": peaks.guard_words}


def _ahead(desk: Desk, found: PeakProfile | None) -> Preview:
    at = desk.clock()
    views = desk.lookout().look([lane for lane in desk.fleet.families if names.target_of(lane)], at)
    paces = {one.lane: Pace(one.status.working_per_s if one.status else None, one.done_per_s) for one in views}
    with desk.context.ledger.read() as session:
        return preview(session, desk.fleet, found, paces, at)


def profile_of(visit: Visit) -> PeakProfile | Response:
    """The profile of the address; a refusal if there is none that fits."""
    name, desk = visit.request.path_params["name"], visit.desk
    try:
        found = load_profiles(desk.settings.peaks_folder).get(name)
    except ConfigError as error:
        return visit.refuse(500, f"The profiles cannot be read: {error}")
    if found is None:
        return visit.refuse(404, f"There is no peak profile {name}.")
    wrong = _misfit(found, desk)
    return visit.refuse(409, f"{name} does not fit the fleet file: {wrong}") if wrong else found


def _misfit(found: PeakProfile, desk: Desk) -> str:
    try:
        found.fits(desk.fleet)
    except ConfigError as error:
        return str(error)
    return ""


def beyond(found: PeakProfile, desk: Desk) -> list[str]:
    """What a profile would allow beyond the fleet file, in words."""
    try:
        return peaks.above(found, desk.fleet)
    except ValueError as error:
        return [str(error).partition("\n")[0]]


def _seen(visit: Visit) -> int:
    """The change that the plan was made on; one that cannot be read is none that is in force."""
    told = visit.form.get("seen", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 19 else -1


def operator_of(visit: Visit, reason: str) -> Operator:
    """Who acts, as the deeds of peaks take it."""
    return Operator(visit.user.name, reason, visit.user.role)


PAGES = (
    Page("/peaks", overview, name="peaks", menu="Peaks"),
    Page("/peaks/revert", revert, Permission.APPROVE, "POST", name="peak_revert"),
    Page("/peaks/{name}", profile, name="peak"),
    Page("/peaks/{name}/apply", apply, Permission.APPROVE, "POST", name="peak_apply"),
)
LIVE = (Live("peaks", live, 2.0),)
