"""Runs the look at the lanes for the pages: state, gauges and a minute of traffic as lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.throttle.base import OutOfReachError
from adapters.throttle.status import LaneStatus, Sample
from workers.console.desk import Desk
from workers.console.pages import retail
from workers.console.words import span
from workers.lanes import LaneView

SPARK_S = 60
WIDE, HIGH = 240.0, 40.0


@dataclass(frozen=True, slots=True)
class Looked:
    """All lanes, and what could not be read."""

    lanes: Sequence[LaneView]
    away: Sequence[str]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value against its most: ``part`` is the bar's length, of 100."""

    title: str
    says: str
    part: float
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Spark:
    """The last minute as two lines in a field of WIDE by HIGH: calls a second, and the rate that was in force."""

    calls: str
    working: str
    most: float


@dataclass(frozen=True, slots=True)
class LanePicture:
    """One lane as its card shows it."""

    view: LaneView
    gauges: Sequence[Gauge]
    spark: Spark | None


def look(desk: Desk, lanes: Sequence[str] = ()) -> Looked:
    """The lanes as they are; all of them by default."""
    lookout = desk.lookout()
    seen = lookout.look(tuple(lanes) or desk.fleet.families, desk.clock())
    return Looked(seen, tuple(lookout.away))


def pictured(desk: Desk, view: LaneView) -> LanePicture:
    """A lane with its gauges and its last minute."""
    return LanePicture(view, gauges_of(view), _spark(desk, view))


def gauges_of(view: LaneView) -> list[Gauge]:
    """What of the limit is used; nothing for a lane without a limiter."""
    status = view.status
    if status is None or view.limit is None:
        return []
    found = []
    if view.limit.rate_per_s is not None:
        used = status.answered_10s / 10
        says = f"{used:.1f} of {view.limit.rate_per_s:g} calls/s"
        found.append(Gauge("Rate used", says, retail.part(used, view.limit.rate_per_s)))
    if status.working_per_s is not None and view.limit.rate_per_s is not None:
        low = status.working_per_s < 0.9 * view.limit.rate_per_s
        says = f"{status.working_per_s:.1f} calls/s, learned from the answers"
        found.append(Gauge("Working limit", says, retail.part(status.working_per_s, view.limit.rate_per_s), _tone(low)))
    most = status.working_concurrency or view.limit.concurrency
    if most:
        found.append(Gauge("At once", f"{status.permits} of {most} requests", retail.part(status.permits, most)))
    asked, refused = status.answered_60s, status.throttled_60s
    if asked:
        says = f"{refused} of {asked} answers in a minute"
        found.append(Gauge("Refused by the ERP", says, retail.part(refused, asked), _tone(refused > 0)))
    return found + _windows(status)


def breakers(status: LaneStatus) -> Mapping[str, str]:
    """Every breaker that is not closed, by what it stands before."""
    open_ones = {name: state for name, state in status.breakers.items() if state != "closed"}
    return ({"everything": status.breaker} if status.breaker != "closed" else {}) | open_ones


def _windows(status: LaneStatus) -> list[Gauge]:
    found = []
    for window, left in zip(status.limit.windows, status.windows_left, strict=False):
        says = f"{left:,} of {window.calls:,} calls left in {span(window.span_s)}"
        found.append(Gauge("Window", says, retail.part(left, window.calls), _tone(left * 10 < window.calls)))
    return found


def _spark(desk: Desk, view: LaneView) -> Spark | None:
    if view.target is None or view.limit is None or view.status is None:
        return None
    try:
        samples = desk.lookout().samples(view.target, view.limit, SPARK_S)
    except OutOfReachError:
        return None
    return spark_of(samples)


def spark_of(samples: Sequence[Sample]) -> Spark | None:
    """The samples as lines; None where there are too few to draw."""
    if len(samples) < 2:
        return None
    most = max(1.0, *(float(s.granted) for s in samples), *(s.working_per_s or 0.0 for s in samples))
    first, last = samples[0].at, max(samples[-1].at, samples[0].at + 1)

    def point(at: float, value: float) -> str:
        return f"{(at - first) / (last - first) * WIDE:.1f},{HIGH - value / most * (HIGH - 2) - 1:.1f}"

    working = " ".join(point(s.at, s.working_per_s) for s in samples if s.working_per_s is not None)
    return Spark(" ".join(point(s.at, s.granted) for s in samples), working, most)


def _tone(bad: bool) -> str:
    return "warn" if bad else "plain"
