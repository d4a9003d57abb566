"""Runs the frame's own pages: the start, what you may, the audit chain, sign-out."""

from datetime import datetime, timedelta

from starlette.responses import RedirectResponse, Response

import ledger.audit
from ledger.audit import Wanted
from workers.console.cookies import drop_session
from workers.console.page import Page, Permission, Visit
from workers.console.roles import MEANING, Role, held_by

A_PAGE = 50
_SPANS_H = {"1h": 1, "24h": 24, "7d": 168, "30d": 720}


def start(visit: Visit) -> Response:
    """The first page of the menu."""
    return RedirectResponse(next(page.path for page in visit.desk.menu if visit.user.may(page.needs)), 303)


def you(visit: Visit) -> Response:
    """Who you are here and what you may, beside what the other roles may."""
    holds = {role: held_by(role) for role in Role}
    return visit.show("you.html", roles=list(Role), holds=holds, meaning=MEANING, ends_at=visit.ends_at)


def sign_out(visit: Visit) -> Response:
    """End the session here and its cookie there."""
    visit.sign_out()
    answer = RedirectResponse("/sign-in", 303)
    drop_session(visit.request, answer)
    return answer


def audit(visit: Visit) -> Response:
    """Deeds, newest first, by who, what and when; and what the last check of the chain found."""
    asked = visit.request.query_params
    given = {name: asked.get(name, "").strip() for name in ("by", "subject", "action", "since", "denied")}
    before = asked.get("before", "")
    with visit.desk.context.ledger.read() as session:
        found = ledger.audit.find(session, _wanted(given, before, visit.desk.clock()), A_PAGE + 1)
    older = found[A_PAGE - 1].sequence if len(found) > A_PAGE else None
    return visit.show(
        "audit.html", found=found[:A_PAGE], given=given, older=older, spans=list(_SPANS_H), check=visit.desk.checks.last
    )


def check(visit: Visit) -> Response:
    """Check the whole chain now; one at a time."""
    visit.desk.checks.run(visit.desk)
    return visit.go("/audit")


def _wanted(given: dict[str, str], before: str, now: datetime) -> Wanted:
    span_h = _SPANS_H.get(given["since"])
    return Wanted(
        by=given["by"] or None,
        subject=given["subject"] or None,
        action=given["action"] or None,
        since=now - timedelta(hours=span_h) if span_h else None,
        allowed=False if given["denied"] else None,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
    )


OWN_PAGES: tuple[Page, ...] = (
    Page("/audit", audit, name="audit", menu="Audit"),
    Page("/audit/check", check, needs=Permission.OPERATE, method="POST", name="audit.check"),
    Page("/you", you, name="you"),
    Page("/sign-out", sign_out, method="POST", name="sign_out"),
    # Last: a page that has this path comes before it.
    Page("/", start, name="start"),
)
