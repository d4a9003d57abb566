"""Runs the pages of the lanes: gauges of each, live; pause, resume and weights with a reason and a second look."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

import ledger.actions
from config.fleet import FamilyWeights
from ledger import controls
from routing import names
from workers import lane_actions
from workers.console.desk import Desk
from workers.console.live import Live
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import Plan, ask, no_reason, reason_of, sure
from workers.console.pages.lane_views import breakers, look, pictured
from workers.console.words import span
from workers.lane_rules import WEIGHTS, pause_of, weights_of

PAUSES = {"": None, "900": 900, "3600": 3_600, "14400": 14_400}
RAMPS = {"0": 0, "60": 60, "300": 300}
DEEDS_SHOWN = 20


def lanes(visit: Visit) -> Response:
    """Every lane with its gauges."""
    return visit.show("lanes.html", **_values(visit.desk))


def live(desk: Desk) -> str:
    """The cards of all lanes as they are now."""
    return desk.render("lanes_body.html", **_values(desk))


def lane(visit: Visit) -> Response:
    """One lane, with what people did to it and what they may do."""
    name = visit.request.path_params["lane"]
    if name not in visit.desk.fleet.families:
        return visit.refuse(404, f"There is no lane {name}. See Lanes for those of the fleet file.")
    desk = visit.desk
    with desk.context.ledger.read() as session:
        deeds = ledger.actions.listed(session, name, DEEDS_SHOWN)
        weights = weights_of(controls.read_all(session), desk.fleet, name)
    return visit.show("lane.html", w=retail, name=name, history=deeds, weights=weights, at=desk.clock(), **_one(desk, name))


def lane_part(visit: Visit) -> Response:
    """The card of one lane as it is now, for the page that shows it alone."""
    name = visit.request.path_params["lane"]
    if name not in visit.desk.fleet.families:
        return visit.refuse(404, f"There is no lane {name}.")
    return visit.show("lane_body.html", w=retail, at=visit.desk.clock(), **_one(visit.desk, name))


def pause(visit: Visit) -> Response:
    """Stop the picking from a lane."""
    name, reason = _asked(visit)
    if reason is None:
        return no_reason(visit)
    for_s = PAUSES.get(visit.form.get("for", ""))
    ends = span(for_s) if for_s else "until somebody resumes it"
    if not sure(visit):
        says = "Nothing more is picked from it. What runs ends, what waits keeps its place, no attempt is spent."
        return ask(visit, Plan(f"Pause {name}", "Pause it", f"/lanes/{name}/pause", f"/lanes/{name}", reason, says,
                               facts=(("How long", ends),), fields={"for": visit.form.get("for", "")}))  # fmt: skip
    at = visit.desk.clock()
    with visit.desk.context.ledger.write() as session:
        controls.lock(session)
        standing = pause_of(controls.read_all(session), name)
        quicker = standing if standing is not None and standing.in_force(at) else None
        if quicker is None:
            lane_actions.pause(session, name, _operator(visit, reason), at, lane_actions.until_of(at, for_s), 0.0)
    if quicker is not None:
        return visit.refuse(409, f"{name} is paused already, by {quicker.by}: {quicker.reason}.")
    return visit.go(f"/lanes/{name}", "The lane is paused. Workers act on it within two seconds.")


def resume(visit: Visit) -> Response:
    """Let a lane go on."""
    name, reason = _asked(visit)
    if reason is None:
        return no_reason(visit)
    ramp = visit.form.get("ramp", "0")
    ramp_s = RAMPS.get(ramp, 0)
    if not sure(visit):
        rise = f"to the whole limit within {span(ramp_s)}" if ramp_s else "at its whole limit at once"
        return ask(visit, Plan(f"Resume {name}", "Resume it", f"/lanes/{name}/resume", f"/lanes/{name}", reason,
                               facts=(("It goes on", rise),), fields={"ramp": ramp}, danger=False))  # fmt: skip
    with visit.desk.context.ledger.write() as session:
        was_set = lane_actions.resume(session, name, _operator(visit, reason), visit.desk.clock(), ramp_s)
    if not was_set:
        return visit.refuse(409, f"{name} is not paused. Somebody resumed it before you, or its pause ended.")
    return visit.go(f"/lanes/{name}", "The lane goes on. Workers act on it within two seconds.")


def weigh(visit: Visit) -> Response:
    """Put weights in force."""
    name, reason = _asked(visit)
    if reason is None:
        return no_reason(visit)
    given = {cls: visit.form.get(cls, "") for cls in names.CLASSES} | {"strict": visit.form.get("strict", "")}
    desk = visit.desk
    with desk.context.ledger.read() as session:
        set_now = controls.read_all(session)
    before, expected = weights_of(set_now, desk.fleet, name), lane_actions.set_of(set_now, name, (WEIGHTS,))
    try:
        numbers = {cls: int(given[cls]) for cls in names.CLASSES}
        values = before.model_dump() | numbers | {"strict": given["strict"] == "yes"}
        after = FamilyWeights.model_validate(values)
    except (ValueError, ValidationError):
        return visit.refuse(422, "Weights are whole numbers from 1 to 1000. Go back and correct them.")
    changes = [(n, str(getattr(before, n)), str(getattr(after, n))) for n in (*names.CLASSES, "strict")]
    changes = [change for change in changes if change[1] != change[2]]
    if not changes:
        return visit.refuse(422, "These are the weights in force already. Nothing would change.")
    if not sure(visit):
        says, place = "The whole standing backlog is served by them at once.", f"/lanes/{name}"
        return ask(visit, Plan(f"Weights of {name}", "Put them in force", f"{place}/weights", place, reason, says,
                               changes=changes, fields=given | {"seen": _mark(before)}))  # fmt: skip
    try:
        _put_weights(visit, name, reason, before, after, expected)
    except lane_actions.LaneChangedError as error:
        return visit.refuse(409, f"Nothing was changed: {error}. Look at the difference again.")
    return visit.go(
        f"/lanes/{name}", "The weights are in force. Workers act on them within two seconds; the standing backlog included."
    )


def _values(desk: Desk) -> dict[str, Any]:
    looked = look(desk)
    cards = [pictured(desk, view) for view in looked.lanes]
    return {"w": retail, "at": desk.clock(), "cards": cards, "away": looked.away, "breakers": breakers}


def _one(desk: Desk, name: str) -> dict[str, Any]:
    looked = look(desk, (name,))
    return {"card": pictured(desk, looked.lanes[0]), "away": looked.away, "breakers": breakers}


def _put_weights(
    visit: Visit, name: str, reason: str, before: FamilyWeights, after: FamilyWeights, expected: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raises LaneChangedError if they are not those any more that the plan was made on."""
    if visit.form.get("seen") != _mark(before):
        raise lane_actions.LaneChangedError(f"{name} was changed since you looked")
    with visit.desk.context.ledger.write() as session:
        values = {WEIGHTS: after.model_dump()}
        lane_actions.set_values(session, name, _operator(visit, reason), visit.desk.clock(), values, expected)


def _mark(weights: FamilyWeights) -> str:
    """The weights that a plan was made on, for the yes to bring back."""
    return weights.model_dump_json()


def _asked(visit: Visit) -> tuple[str, str | None]:
    return visit.request.path_params["lane"], reason_of(visit)


def _operator(visit: Visit, reason: str) -> lane_actions.Operator:
    return lane_actions.Operator(visit.user.name, reason, visit.user.role)


PAGES = (
    Page("/lanes", lanes, name="lanes", menu="Lanes"),
    Page("/lanes/{lane}", lane, name="lane"),
    Page("/lanes/{lane}/now", lane_part, name="lane_now", polled=True),
    Page("/lanes/{lane}/pause", pause, Permission.OPERATE, "POST", name="lane_pause"),
    Page("/lanes/{lane}/resume", resume, Permission.OPERATE, "POST", name="lane_resume"),
    Page("/lanes/{lane}/weights", weigh, Permission.OPERATE, "POST", name="lane_weights"),
)
LIVE = (Live("lanes", live, 1.0),)
