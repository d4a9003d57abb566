"""Runs the failure desk's pages: what needs a person, what is retried by itself, groups that fail for one cause."""

from typing import Any

from starlette.responses import Response

import ledger.desk
from ledger.desk import Dimension, Filter
from workers.console.page import Page, Visit
from workers.console.pages import retail
from workers.console.pages.desk_filter import fields_of, filter_of, query_of, said

MOST_CASES, MOST_GROUPS, MOST_RETRYING = 100, 50, 100
BY: tuple[Dimension, ...] = ("cause", "target", "operation", "source")


def failures(visit: Visit) -> Response:
    """What is parked and needs a person: groups, then the single ones."""
    return visit.show("failures.html", **_desk(visit, filter_of(visit.request.query_params)))


def failures_part(visit: Visit) -> Response:
    """Sums and groups as they are now."""
    return visit.show("failures_body.html", **_desk(visit, filter_of(visit.request.query_params)))


def rows_part(visit: Visit) -> Response:
    """The single ones as they are now. What is ticked stays ticked: a browser keeps these boxes over the change."""
    wanted, now = filter_of(visit.request.query_params), visit.desk.clock()
    with visit.desk.context.ledger.read() as session:
        cases = ledger.desk.listed(session, visit.desk.fleet.desk, wanted, now, MOST_CASES)
    return visit.show("failure_list.html", w=retail, at=now, cases=cases, most=MOST_CASES)


def retrying(visit: Visit) -> Response:
    """Technical failures that are retried by themselves."""
    return visit.show("retrying.html", **_retrying(visit))


def retrying_part(visit: Visit) -> Response:
    """The same list as it is now."""
    return visit.show("retrying_body.html", **_retrying(visit))


def group(visit: Visit) -> Response:
    """One group: what fails for one cause, with what can be done to all of it."""
    fingerprint = visit.request.path_params["group"]
    values = _desk(visit, Filter(group=fingerprint))
    if not values["cases"]:
        return visit.refuse(404, "Nothing is parked for this cause any more. It was mended, or it has another cause by now.")
    return visit.show("failure_group.html", **values)


def _desk(visit: Visit, wanted: Filter) -> dict[str, Any]:
    desk, now = visit.desk, visit.desk.clock()
    rules = desk.fleet.desk
    with desk.context.ledger.read() as session:
        groups = ledger.desk.groups(session, rules, wanted, now, BY, MOST_GROUPS)
        cases = ledger.desk.listed(session, rules, wanted, now, MOST_CASES)
        total = ledger.desk.totals(session, rules, wanted, now)
        owners = sorted({one.owner for one in ledger.desk.groups(session, rules, Filter(), now, ("owner",), MOST_GROUPS)})
    return {
        "w": retail, "at": now, "groups": groups, "cases": cases, "total": total, "wanted": wanted, "query_of": query_of,
        "fields_of": fields_of,
        "said": said(wanted), "owners": owners, "targets": sorted(desk.fleet.targets), "sources": sorted(desk.fleet.sources),
        "most": MOST_CASES,
    }  # fmt: skip


def _retrying(visit: Visit) -> dict[str, Any]:
    target = visit.request.query_params.get("target") or None
    with visit.desk.context.ledger.read() as session:
        rows = ledger.desk.retrying(session, target, MOST_RETRYING)
    targets = sorted(visit.desk.fleet.targets)
    return {"w": retail, "at": visit.desk.clock(), "rows": rows, "target": target, "targets": targets, "most": MOST_RETRYING}


PAGES = (
    Page("/failures", failures, name="failures", menu="Failure desk"),
    Page("/failures/now", failures_part, name="failures_now", polled=True),
    Page("/failures/rows/now", rows_part, name="failures_rows_now", polled=True),
    Page("/failures/retrying", retrying, name="retrying"),
    Page("/failures/retrying/now", retrying_part, name="retrying_now", polled=True),
    Page("/failures/groups/{group}", group, name="failure_group"),
)
