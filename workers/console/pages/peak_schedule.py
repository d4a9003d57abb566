"""Runs the schedule of peak profiles on the pages: have one come into force at a time, and take that back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.responses import Response

import ledger.peaks
from workers import peaks
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import Plan, ask, no_reason, reason_of, sure
from workers.console.pages.peaks import SPANS_S, beyond, operator_of, profile_of

_SAYS = "The relay puts it in force then, as it is in its file now. A start while the relay is away is made up for."


def schedule(visit: Visit) -> Response:
    """Have a profile come into force at a time of the form's zone, for one of the spans."""
    found, reason, now = profile_of(visit), reason_of(visit), visit.desk.clock()
    if isinstance(found, Response):
        return found
    if reason is None:
        return no_reason(visit)
    if beyond(found, visit.desk):
        said = "The fleet file allows less than this profile: use millrace peak schedule add --force."
        return visit.refuse(409, said)
    try:
        starts_at, zone = _start(visit), visit.form["zone"].strip()
        span_s = SPANS_S.get(visit.form.get("for", ""))
        ends_at = peaks.end_of(found, starts_at, starts_at + timedelta(seconds=span_s) if span_s else None, now)
    except peaks.WrongTimesError as error:
        return visit.refuse(422, f"Nothing was changed: {error}.")
    if not sure(visit):
        ends = f"{ends_at:%Y-%m-%d %H:%M} UTC" if ends_at else "when somebody takes it back"
        starts = f"{starts_at:%Y-%m-%d %H:%M} UTC, {retail.relative(starts_at, now)}"
        facts = (("It starts", starts), ("It ends", ends))
        fields = {name: visit.form.get(name, "") for name in ("start", "zone", "for")}
        place = f"/peaks/{found.name}"
        title = f"Have {found.name} come into force"
        return ask(visit, Plan(title, "Schedule it", f"{place}/schedule", place, reason, _SAYS, facts, fields=fields))
    with visit.desk.context.ledger.write() as session:
        number = peaks.schedule(session, found, operator_of(visit, reason), now, starts_at, ends_at, zone)
    return visit.go("/peaks", f"{found.name} is number {number} of what is to come.")


def cancel(visit: Visit) -> Response:
    """Take an entry back before it begins."""
    reason, told = reason_of(visit), visit.request.path_params["number"]
    if reason is None:
        return no_reason(visit)
    number = int(told) if told.isascii() and told.isdecimal() and len(told) < 19 else 0
    with visit.desk.context.ledger.read() as session:
        entry = ledger.peaks.to_come(session, number)
    gone = f"Number {told} is not to come any more: it has begun, or somebody took it back."
    if entry is None:
        return visit.refuse(409, gone)
    if not sure(visit):
        facts = (("It would start", f"{entry.starts_at:%Y-%m-%d %H:%M} UTC"), ("Planned by", entry.by), ("Because", entry.reason))
        title = f"Cancel {entry.name}"
        return ask(visit, Plan(title, "Cancel it", f"/peaks/schedule/{number}/cancel", "/peaks", reason, facts=facts))
    with visit.desk.context.ledger.write() as session:
        done = peaks.unschedule(session, number, operator_of(visit, reason), visit.desk.clock())
    return visit.go("/peaks", f"{entry.name} does not come into force.") if done else visit.refuse(409, gone)


def _start(visit: Visit) -> datetime:
    """The form's start. Raises WrongTimesError."""
    told, zone = visit.form.get("start", "").strip(), visit.form.get("zone", "").strip()
    try:
        local = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise peaks.WrongTimesError(f"there is no time zone {zone[:60]!r}, give a name like Europe/Berlin") from None
    try:
        at = datetime.fromisoformat(told)
        return (at if at.tzinfo else at.replace(tzinfo=local)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise peaks.WrongTimesError(f"{told[:40]!r} is no moment, write 2026-12-01T22:00") from None


PAGES = (
    Page("/peaks/{name}/schedule", schedule, Permission.APPROVE, "POST", name="peak_schedule"),
    Page("/peaks/schedule/{number}/cancel", cancel, Permission.APPROVE, "POST", name="peak_cancel"),
)
