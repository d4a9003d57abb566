"""The demo's report as data: what was poured, what became of it, and whether that is proved."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from workers.demo.desk import Desk
from workers.demo.figures import Budget, Repeats, Waits
from workers.demo.model import Expected
from workers.demo.proof import Problem, Proof, Totals
from workers.demo.reception import Reception
from workers.demo.sale import Class


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a reader of the demo is told. ``accepted`` counts events, ``posted`` writes that took effect in the ERP."""

    orders: int
    seed: int
    accepted: int
    posted: int
    duplicates: int
    parked: int
    refused: int
    lost: int
    doubled: int
    seconds: float
    start_seconds: float
    sale_seconds: float
    sent: Mapping[str, int]
    refused_by_status: Mapping[str, int]
    parked_by_reason: Mapping[str, int]
    effects: Mapping[str, int]
    never_posted: int
    waiting: int
    wait_by_class: Mapping[Class, Waits]
    budget: Budget
    rate_per_s: float
    repeats: Repeats
    retried: int
    stale: int
    weather: Mapping[str, int]
    totals: Totals
    problems: tuple[Problem, ...]

    @property
    def passed(self) -> bool:
        """Nothing is lost, doubled, wrong, or parked for a reason nobody expected; and something was posted."""
        return not self.problems and self.posted > 0

    def as_json(self) -> dict[str, object]:
        """The report as JSON values."""
        told = asdict(self)
        told["totals"] = {name: str(value) for name, value in asdict(self.totals).items()} | {"agree": self.totals.agree}
        return {"passed": self.passed, **told}


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: the whole run up to the report, the fleet's start, and the sale until everything had settled."""

    whole_s: float
    start_s: float
    sale_s: float


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the report is made of."""

    expected: Expected
    reception: Reception
    desk: Desk
    proof: Proof
    waits: Mapping[Class, Waits]
    budget: Budget
    repeats: Repeats
    struck: Mapping[str, int]


def report_of(found: Findings, times: Times, *, orders: int, seed: int, rate_per_s: float) -> Report:
    """Sum it up."""
    reception, desk, proof = found.reception, found.desk, found.proof
    reasons = [*desk.parked_events.values(), *desk.parked_orders.values()]
    return Report(
        orders=orders,
        seed=seed,
        accepted=len(reception.accepted),
        posted=proof.verdict.committed,
        duplicates=reception.duplicates,
        parked=len(reasons),
        refused=sum(reception.refused.values()),
        lost=proof.lost,
        doubled=proof.doubled,
        seconds=round(times.whole_s, 1),
        start_seconds=round(times.start_s, 1),
        sale_seconds=round(times.sale_s, 1),
        sent={"attempts": reception.attempts, "again": reception.sent_again, "hung_up": reception.hung_up},
        refused_by_status={str(status): count for status, count in sorted(reception.refused.items())},
        parked_by_reason=dict(Counter(f"{row.cls} {row.code}" for row in reasons).most_common()),
        effects=_effects(found.expected),
        never_posted=sum(end.ends == "never" for end in found.expected.orders.values()),
        waiting=len(found.expected.orphans),
        wait_by_class=found.waits,
        budget=found.budget,
        rate_per_s=rate_per_s,
        repeats=found.repeats,
        retried=desk.retried,
        stale=desk.stale,
        weather=found.struck,
        totals=proof.totals,
        problems=proof.problems,
    )


def _effects(expected: Expected) -> dict[str, int]:
    posted = [end for end in expected.orders.values() if end.ends == "posted"]
    return {
        "orders": len(posted),
        "shipments": sum(len(end.shipments) for end in posted),
        "returns": sum(len(end.returns) for end in posted),
        "withdrawn": sum(end.ends == "withdrawn" for end in expected.orders.values()),
    }


def money(amount: Decimal) -> str:
    """An amount for people."""
    return f"{amount:,.2f} USD"


def orders_to_look_at(problems: Sequence[Problem], most: int) -> list[tuple[str, str]]:
    """The first orders that problems name, each once."""
    return list(dict.fromkeys((p.source, p.order) for p in problems if p.source and p.order))[:most]
