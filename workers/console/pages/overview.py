"""Runs the overview: what waits between the channels and the ERP, in retail words, with what needs somebody now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

import ledger.business
import ledger.jobs
import ledger.locations
import ledger.performance
import ledger.settlement_figures
import ledger.settlements
import ledger.unreserved
from config.fleet import Fleet
from ledger.business import STAGES, Backlog, Owned, Pending, Stage
from ledger.locations import AtLocation
from ledger.settlement_figures import MOST_COUNTED, Difference, Found
from ledger.unreserved import Unreserved
from routing import names
from workers.console.desk import Desk
from workers.console.live import Live
from workers.console.page import Page, Visit
from workers.console.pages import retail
from workers.console.pages.lane_views import Looked, look
from workers.console.words import span
from workers.lanes import LaneView
from workers.stock_figures import promises

SHIPMENT_LATE = timedelta(minutes=15)
REFUND_LATE = timedelta(hours=1)
LATELY = timedelta(minutes=15)
A_DAY = timedelta(days=1)
MOST_LOCATIONS = 25
"""Locations that the page shows, the fullest; the metrics tell more."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. ``tone`` is good, waits, bad or muted; ``notes`` are short sentences below it."""

    title: str
    figure: str
    tone: str = "good"
    notes: tuple[str, ...] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that somebody should look at now, with what to do about it."""

    tone: str
    says: str
    do: str
    link: str


@dataclass(frozen=True, slots=True)
class Stand:
    """One cell of the backlog table: ``part`` is the length of its bar, of 100."""

    count: int
    more: bool
    oldest_at: datetime
    part: float


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """The backlog of one channel or location by stage; a stage without anything is left out."""

    name: str
    cells: Mapping[Stage, Stand]
    total: int
    more: bool


@dataclass(slots=True)
class Picture:
    """Everything on the page at one moment."""

    now: datetime
    tiles: list[Tile] = field(default_factory=list)
    backlog: list[PlaceRow] = field(default_factory=list)
    locations: list[PlaceRow] = field(default_factory=list)
    owned: Sequence[Owned] = ()
    lanes: Sequence[LaneView] = ()
    alarms: list[Alarm] = field(default_factory=list)


def picture(desk: Desk) -> Picture:
    """Look at everything once. Raises one of LedgerUnavailable."""
    made, fleet = Picture(desk.clock()), desk.fleet
    targets, domains = tuple(fleet.targets), desk.context.topology.domains
    with desk.context.ledger.read() as session:
        rows = ledger.business.backlog(session, targets, domains)
        money = ledger.business.money_awaiting_posting(session, targets)
        shipments = ledger.business.shipments_not_reconciled(session, targets, made.now - SHIPMENT_LATE)
        refunds = ledger.business.refunds_not_in_finance(session, targets, made.now - REFUND_LATE)
        made.owned = ledger.business.exceptions_by_owner(session, fleet.desk, made.now)
        latency = ledger.performance.posting_latency(session, made.now - LATELY)
        completion = ledger.performance.completion(session, domains, made.now - A_DAY)
        replays = ledger.performance.replay_success(session, made.now - A_DAY)
        halted = ledger.jobs.halted(session)
        places = ledger.locations.backlog_by_location(session, targets)
        promised = promises(fleet)
        unreserved = ledger.unreserved.without_reservation(session, promised, made.now)
        unfit = ledger.settlement_figures.exceptions(session)
        paid = ledger.settlements.payouts(session, 1)
    views = look(desk)
    made.lanes = views.lanes
    made.backlog = by_stage((row.channel, row) for row in rows)
    if any(one.location != ledger.locations.NOWHERE for one in places):
        made.locations = by_stage((one.location, one) for one in places)
    made.tiles = [
        _orders(rows, money, made.now),
        _reservations(rows, fleet, made.now),
        *_unreserved(unreserved, promised, made.now),
        _late("Shipments not reconciled", shipments, SHIPMENT_LATE, "shipment", made.now),
        _late("Refunds not in finance", refunds, REFUND_LATE, "refund", made.now),
        _exceptions(made.owned, made.now),
        _settlements(unfit, told=bool(paid), now=made.now),
        _latency(latency),
        _completion(completion),
        _replays(replays),
    ]
    made.alarms = [*_lane_alarms(views), *_desk_alarms(made.owned, halted), *_doubts(rows, made.now)]
    return made


def by_stage(rows: Iterable[tuple[str, Backlog | AtLocation]]) -> list[PlaceRow]:
    """The backlog by name (of a channel or location) and stage, the fullest first; bars are drawn against the fullest cell."""
    cells: dict[str, dict[Stage, list[Backlog | AtLocation]]] = defaultdict(lambda: defaultdict(list))
    for name, row in rows:
        cells[name][row.stage].append(row)
    most = max((sum(r.count for r in some) for stages in cells.values() for some in stages.values()), default=0)
    made = []
    for name, stages in cells.items():
        stands = {stage: _stand(stages[stage], most) for stage in STAGES if stage in stages}
        total = sum(stand.count for stand in stands.values())
        made.append(PlaceRow(name, stands, total, any(stand.more for stand in stands.values())))
    return sorted(made, key=lambda row: (-row.total, row.name))


def _stand(rows: Sequence[Backlog | AtLocation], most: int) -> Stand:
    total = sum(row.count for row in rows)
    return Stand(total, any(row.more for row in rows), min(row.oldest_at for row in rows), retail.part(total, most))


def _orders(rows: Sequence[Backlog], money: Sequence[ledger.business.Money], now: datetime) -> Tile:
    mine = [row for row in rows if row.domain == "orders" and row.operation in ("order.create", "")]
    if not mine:
        return Tile("Orders awaiting ERP posting", "0", "good", ("Every order that was told is at the ERP.",))
    total, more = sum(row.count for row in mine), any(row.more for row in mine)
    parked = sum(row.count for row in mine if row.stage == "parked")
    notes = [f"oldest {retail.since(min(row.oldest_at for row in mine), now)}"]
    by_currency: dict[str, Decimal] = defaultdict(Decimal)
    for one in money:
        by_currency[one.currency] += one.amount
    valued = sum(one.orders for one in money)
    if by_currency:
        notes.append(retail.sums(by_currency) + (f" in {valued:,} of them" if valued < total else ""))
    if parked:
        notes.append(_stuck(parked))
    return Tile(
        "Orders awaiting ERP posting", retail.counted(total, more), "bad" if parked else "warn", tuple(notes), "/failures"
    )


def _reservations(rows: Sequence[Backlog], fleet: Fleet, now: datetime) -> Tile:
    title = "Reservations pending"
    pending = ledger.business.reservations_pending(rows)
    if not pending:
        if any("reservation" in route.kinds for route in fleet.routes):
            return Tile(title, "0", "good", ("Every reservation that was told is where it is to be.",))
        return Tile(title, "none routed", "muted", ("This fleet posts no reservations: no route carries them.",))
    total, more = sum(one.count for one in pending), any(one.more for one in pending)
    parked, oldest = sum(one.parked for one in pending), min(pending, key=lambda one: one.oldest_at)
    notes = [f"oldest {retail.since(oldest.oldest_at, now)}, for {oldest.target}"]
    if parked:
        notes.append(_stuck(parked))
    link = "/failures" if parked else f"/lanes/{names.lane(oldest.target)}"
    return Tile(title, retail.counted(total, more), "bad" if parked else "warn", tuple(notes), link)


def _unreserved(rows: Sequence[Unreserved], promised: Mapping[str, float], now: datetime) -> list[Tile]:
    """Only where some channel promises: elsewhere an order without a reservation is none that lacks one."""
    if not rows:
        return []
    title, late = "Orders without reservation", [row for row in rows if row.oldest_at is not None]
    if not late:
        return [Tile(title, "0", "good", ("Every order that was to be reserved by now is.",))]
    total, more = sum(row.count for row in late), any(row.more for row in late)
    told = min((row.oldest_at, row.channel) for row in late if row.oldest_at is not None)
    within = retail.about(timedelta(seconds=promised[told[1]]))
    notes = (f"{told[1]} promised to reserve within {within}; oldest {retail.since(told[0], now)}",)
    return [Tile(title, retail.counted(total, more), "bad", notes)]


def _late(title: str, rows: Sequence[Pending], after: timedelta, noun: str, now: datetime) -> Tile:
    limit = retail.about(after)
    if not rows:
        return Tile(title, "0", "good", (f"Every {noun} told more than {limit} ago is at the ERP.",))
    total, more = sum(row.count for row in rows), any(row.more for row in rows)
    parked = sum(row.parked for row in rows)
    notes = [f"told more than {limit} ago; oldest {retail.since(min(row.oldest_at for row in rows), now)}"]
    if parked:
        notes.append(_stuck(parked))
    return Tile(title, retail.counted(total, more), "bad" if parked else "warn", tuple(notes), "/failures" if parked else "")


def _stuck(parked: int) -> str:
    return f"{parked:,} of them {'needs' if parked == 1 else 'need'} a person"


def _exceptions(owned: Sequence[Owned], now: datetime) -> Tile:
    if not owned:
        return Tile("Exceptions for people", "0", "good", ("Nothing waits for a person.",), "/failures")
    total, overdue = sum(one.count for one in owned), sum(one.overdue for one in owned)
    notes = [" · ".join(f"{one.owner} {one.count:,}" for one in owned[:4])]
    notes.append(f"oldest {retail.since(min(one.oldest_at for one in owned), now)}")
    if overdue:
        notes.append(f"{overdue:,} past their due time")
    figure = retail.counted(total, any(one.more for one in owned))
    return Tile("Exceptions for people", figure, "bad" if overdue else "warn", tuple(notes), "/failures")


def _settlements(unfit: tuple[Sequence[Found], Sequence[Difference]], *, told: bool, now: datetime) -> Tile:
    title, (found, differences) = "Settlement exceptions", unfit
    if not told:
        return Tile(title, "none told", "muted", ("No marketplace or payment provider tells its payouts here.",), "/settlements")
    if not found:
        return Tile(title, "0", "good", ("What was paid out fits, or was explained.",), "/settlements")
    total, oldest_at = sum(one.count for one in found), min(one.oldest_at for one in found)
    by_currency: dict[str, Decimal] = defaultdict(Decimal)
    for one in differences:
        by_currency[one.currency] += one.amount
    notes = (f"oldest {retail.since(oldest_at, now)}", *([f"{retail.sums(by_currency)} do not fit"] if by_currency else []))
    tone = "bad" if now - oldest_at > A_DAY else "warn"
    return Tile(title, retail.counted(total, total >= MOST_COUNTED), tone, notes, "/settlements")


def _latency(told: ledger.performance.Latency) -> Tile:
    title = "Order to ERP, last 15 min"
    if told.p50_s is None:
        return Tile(title, "–", "muted", ("No order reached the ERP in this time.",))
    notes = f"95 % within {retail.took(told.p95_s)}, 99 % within {retail.took(told.p99_s)}"
    return Tile(title, retail.took(told.p50_s), "good", (f"half of {retail.plural(told.count, 'order')} took no longer", notes))


def _completion(rows: Sequence[ledger.performance.Completion]) -> Tile:
    told, done = sum(row.told for row in rows), sum(row.done for row in rows)
    title = "Completed, last 24 h"
    if not told:
        return Tile(title, "–", "muted", ("Nothing was told in this time.",))
    parts = [f"{retail.DOMAINS.get(row.domain, row.domain).lower()} {retail.percent(row.share)}" for row in rows if row.told]
    tone = "good" if done == told else "warn"
    return Tile(title, retail.percent(done / told), tone, (f"{done:,} of {told:,} told are done", " · ".join(parts)))


def _replays(told: ledger.performance.Replays) -> Tile:
    title = "Replays that worked, last 24 h"
    if not (told.done + told.failed + told.under_way):
        return Tile(title, "–", "muted", ("Nothing was given back to work.",), "/jobs")
    notes = [f"{told.done:,} done, {told.failed:,} failed again"]
    if told.under_way:
        notes.append(f"{told.under_way:,} under way")
    return Tile(title, retail.percent(told.rate), "bad" if told.failed else "good", tuple(notes), "/jobs")


def _lane_alarms(views: Looked) -> list[Alarm]:
    known = "The figures below are what the ledger knows; limits and rates are missing"
    found = [Alarm("warn", away[:1].upper() + away[1:], known, "/lanes") for away in views.away]
    for lane in views.lanes:
        link = f"/lanes/{lane.lane}"
        if lane.state.word == "paused":
            found.append(Alarm("warn", f"{lane.lane} is paused: {lane.state.why}", "Resume it when the reason is gone", link))
        elif lane.state.word != "open":
            found.append(Alarm("warn", f"{lane.lane}: {lane.state.word}. {lane.state.why}", "It goes on by itself", link))
        if lane.status and lane.status.breaker != "closed":
            do = "Nothing is sent but a probe now and then; see that the ERP works"
            found.append(Alarm("bad", f"{lane.target} does not answer: the breaker is {lane.status.breaker}", do, link))
        if lane.status and lane.status.paused_s > 0:
            says = f"{lane.target} asked to wait {span(lane.status.paused_s)}"
            found.append(Alarm("warn", says, "It goes on by itself", link))
    return found


def _desk_alarms(owned: Sequence[Owned], halted: Sequence[int]) -> list[Alarm]:
    found = [
        Alarm("bad", f"{one.owner} has {retail.plural(one.overdue, 'exception')} past the due time", "Work on the oldest first",
              f"/failures?{urlencode({'owner': one.owner, 'overdue': 'yes'})}")
        for one in owned if one.overdue
    ]  # fmt: skip
    do = "Mend what failed again, then resume or stop it"
    return found + [Alarm("bad", f"Job {number} halted: too much failed again", do, f"/jobs/{number}") for number in halted]


def _doubts(rows: Sequence[Backlog], now: datetime) -> list[Alarm]:
    doubtful = [row for row in rows if row.stage == "uncertain"]
    if not doubtful:
        return []
    count, oldest = sum(row.count for row in doubtful), min(row.oldest_at for row in doubtful)
    says = f"The answer to {retail.plural(count, 'posting')} was lost, the oldest {retail.since(oldest, now)} old"
    return [Alarm("warn", says, "Each is looked up at the ERP before anything is sent again", "/failures/retrying")]


def overview(visit: Visit) -> Response:
    """The page; its body is the live part."""
    return visit.show("overview.html", **_values(visit.desk))


def live(desk: Desk) -> str:
    """The page's body as it is now."""
    return desk.render("overview_body.html", **_values(desk))


def _values(desk: Desk) -> dict[str, Any]:
    seen = picture(desk)
    deferred = any("deferred" in row.cells for row in seen.backlog)
    stages = [one for one in STAGES if one != "deferred" or deferred]
    return {"w": retail, "picture": seen, "stages": stages, "most_locations": MOST_LOCATIONS}


PAGES = (Page("/", overview, name="overview", menu="Overview"),)
LIVE = (Live("overview", live, 2.0),)
