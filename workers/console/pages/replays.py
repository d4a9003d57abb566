"""Runs replays of many on the pages: what a choice meets, counted first; then a job with a ramp behind live traffic."""

from dataclasses import dataclass

from starlette.responses import Response

import ledger.desk
from ledger.desk import Filter
from routing.patch import Setting
from routing.ramp import Pace
from tasks.desk import start_job
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import Plan, ask, no_reason, reason_of, sure
from workers.console.pages.desk_filter import fields_of, filter_of, picked, query_of, said

RAMP = (1, 10, 100, 1_000)
STOP_ABOVE, PATIENCE_S, FASTEST = 0.2, 900.0, 500.0
MANY = 1_000
"""From so many on a replay needs an approver."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a form asks for: which rows, what is changed in each, how many a second at most."""

    wanted: Filter
    patch: list[str]
    rate_per_s: float


def replay(visit: Visit) -> Response:
    """Show what would be replayed; after the yes write the job."""
    reason = reason_of(visit)
    if reason is None:
        return no_reason(visit)
    try:
        choice = _chosen(visit)
    except ValueError as error:
        return visit.refuse(422, f"That cannot be done: {error}. Go back and correct it.")
    desk = visit.desk
    with desk.context.ledger.read() as session:
        total = ledger.desk.totals(session, desk.fleet.desk, choice.wanted, desk.clock())
    if total is None:
        return visit.refuse(404, "Nothing that is parked meets this any more.")
    if total.count >= MANY and not visit.user.may(Permission.APPROVE):
        return visit.refuse(403, f"{total.count:,} rows are many: from {MANY:,} on an approver starts the replay.")
    if not sure(visit):
        return ask(visit, _plan(visit, choice, total, reason))
    pace = Pace(RAMP, choice.rate_per_s, STOP_ABOVE, PATIENCE_S)
    job_id = start_job(desk.context, choice.wanted, choice.patch, pace, visit.actor)
    return visit.go(f"/jobs/{job_id}", "The job is started. The relay takes it up within a second or two.")


def _chosen(visit: Visit) -> Choice:
    """Raises ValueError for what cannot be read, and for a form that chooses nothing."""
    form = visit.form
    wanted = Filter(keys=picked(form)) if form.get("what") == "picked" else filter_of(form)
    if not wanted.words() and form.get("every") != "yes":
        raise ValueError("nothing is chosen: tick some rows, or choose by conditions")
    patch = [line.strip() for line in form.get("patch", "").splitlines() if line.strip()]
    for line in patch:
        Setting.read(line)
    rate_per_s = float(form.get("rate", "5"))
    if not 0 < rate_per_s <= FASTEST:
        raise ValueError(f"the rate is above 0 and at most {FASTEST:g} a second")
    return Choice(wanted, patch, rate_per_s)


def _plan(visit: Visit, choice: Choice, total: ledger.desk.Group, reason: str) -> Plan:
    wanted, patch, rate = choice.wanted, choice.patch, f"{choice.rate_per_s:g}"
    facts = [
        ("Chosen", said(wanted)),
        ("Rows", retail.counted(total.count)),
        ("Orders", retail.counted(total.orders)),
        ("Money of these orders", retail.sums(total.money) or "–"),
        ("How", f"{', '.join(map(str, RAMP))} … rows a rung, at most {rate} a second, behind live traffic"),
        ("Halts", f"if more than {retail.percent(STOP_ABOVE)} of a rung fails again"),
    ]
    facts += [("Changed in each", line) for line in patch]
    verb = f"Change and replay {retail.plural(total.count, 'row')}" if patch else f"Replay {retail.plural(total.count, 'row')}"
    fields = fields_of(wanted) | {
        "rate": rate,
        "every": visit.form.get("every", ""),
        "patch": "\n".join(patch),
        "what": visit.form.get("what", ""),
    }
    back = f"/failures?{query_of(wanted)}"
    return Plan(verb, verb, "/failures/replay", back, reason, "Each row goes with fresh cross-references. Rows that were given "
                "back meanwhile are left alone.", facts, fields={n: v for n, v in fields.items() if v}, danger=False)  # fmt: skip


PAGES = (Page("/failures/replay", replay, Permission.OPERATE, "POST", name="replay"),)
