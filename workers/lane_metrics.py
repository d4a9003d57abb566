"""Runs what the metrics tell of lanes and their backlog: read at each scrape, by the one process that shows them."""

from collections.abc import Iterable, Sequence

from ledger import standing
from ledger.session import Ledger
from routing import names
from telemetry.backlog import BacklogSample
from telemetry.lanes import LaneSample, LimiterSample
from workers.bootstrap import now
from workers.lanes import LaneView, Lookout
from workers.waiting import cells_of


def backlog_of(ledger: Ledger, lanes: Sequence[str]) -> Iterable[BacklogSample]:
    """Rows that wait, by family, class and state, with the age of the oldest. Raises one of LedgerUnavailable."""
    with ledger.read() as session:
        found = [cell for cells in cells_of(session, lanes).values() for cell in cells] + standing.remembered(session)
    at = now()
    return [
        BacklogSample(_family(cell.lane, cell.domain), cell.cls, cell.state, cell.count, (at - cell.oldest_at).total_seconds())
        for cell in found
    ]


def lanes_of(lookout: Lookout, lanes: Sequence[str]) -> Iterable[LaneSample]:
    """Every lane as it is. Raises one of LedgerUnavailable."""
    return [_lane(view) for view in lookout.look(lanes, now())]


def _lane(view: LaneView) -> LaneSample:
    status, limit = view.status, view.limit
    limiter = None
    if status is not None:
        limiter = LimiterSample(
            working_per_s=status.working_per_s,
            working_concurrency=status.working_concurrency,
            permits=status.permits,
            paused_s=status.paused_s,
            answered_60s=status.answered_60s,
            throttled_60s=status.throttled_60s,
            breakers={"": status.breaker} | dict(status.breakers),
        )
    return LaneSample(
        family=view.lane,
        target=view.target,
        open_share=view.state.scale,
        limit_per_s=limit.rate_per_s if limit else None,
        limit_concurrency=limit.concurrency if limit else None,
        drain_s=view.drain_s if view.rows else 0.0,
        limiter=limiter,
    )


def _family(lane: str, domain: str) -> str:
    target = names.target_of(lane)
    return lane if target is None else names.family(target, domain)
