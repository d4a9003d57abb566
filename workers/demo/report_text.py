"""Writes the report for people: figures first, then the verdict, then every order to look at."""

from collections.abc import Iterator, Mapping

from workers.demo.report import Report, money

_MOST_PROBLEMS = 20


def lines_of(report: Report) -> Iterator[str]:
    """The report, line by line."""
    yield ""
    yield f"Flash sale of {report.orders} orders, seed {report.seed}: {report.seconds:.1f} s"
    yield f"  (fleet up in {report.start_seconds:.1f} s, sale poured and settled in {report.sale_seconds:.1f} s)"
    yield ""
    sent, effects = report.sent, report.effects
    yield _row("sent", f"{sent['attempts']} requests; again {sent['again']}, hung up before the answer {sent['hung_up']}")
    yield _row("accepted", f"{report.accepted} events")
    yield _row("duplicates dropped", f"{report.duplicates}")
    yield _row("refused", f"{report.refused}  ({_counts(report.refused_by_status)})")
    told = f"{effects['orders']} orders, {effects['shipments']} shipments, {effects['returns']} returns"
    yield _row("posted", f"{report.posted} writes in effect: {told}, {effects['withdrawn']} withdrawn")
    yield _row("never posted", f"{report.never_posted} cancelled before they were told; stale states dropped {report.stale}")
    yield _row("parked", f"{report.parked}")
    for reason, count in report.parked_by_reason.items():
        yield f"    {count:>4}  {reason}"
    yield _row("still waiting", f"{report.waiting} shipments of orders that were never told")
    yield from _erp_lines(report)
    yield ""
    for cls, waits in report.wait_by_class.items():
        spans = f"p50 {waits.p50_s:5.1f} s   p95 {waits.p95_s:5.1f} s   longest {waits.longest_s:5.1f} s"
        yield _row(f"wait, {cls}", f"{spans}   ({waits.count} orders)")
    totals = report.totals
    yield _row("money", f"told {money(totals.told)} = in the ERP {money(totals.in_erp)} + parked {money(totals.parked)}")
    yield ""
    yield from _verdict(report)


def _erp_lines(report: Report) -> Iterator[str]:
    budget, repeats = report.budget, report.repeats
    share = "no backlog stood in fair weather" if budget.share_used is None else f"{budget.share_used:.0%} of the allowance"
    seconds = f" in {budget.fair_seconds} s of backlog in fair weather" if budget.share_used is not None else ""
    yield _row("ERP budget", f"{share}{seconds}; {budget.requests} requests, {report.rate_per_s:.0f}/s agreed")
    yield _row("above the limit", f"{budget.above_rate} requests above the agreed rate; most at once {budget.most_at_once}")
    yield _row("ERP's weather", _counts(report.weather) + f"; 429 answers {budget.refused_429}")
    yield _row("retried", f"{report.retried} deliveries; failed requests {_counts(repeats.failed)}")
    doubt = f"{repeats.looked_up} looked up by key, {repeats.sent_again_blindly} sent again without"
    yield _row("answers lost", f"{repeats.lost_answers}: {doubt}")


def _verdict(report: Report) -> Iterator[str]:
    yield f"  lost {report.lost}   doubled {report.doubled}   (the ERP's own log against the sender's log)"
    if report.passed:
        yield "  every accepted event is in effect exactly once, or parked for the reason it should be; money agrees to the cent"
        return
    yield ""
    yield f"  FAILED: {len(report.problems)} problems" if report.problems else "  FAILED: nothing was posted"
    for problem in report.problems[:_MOST_PROBLEMS]:
        place = f"{problem.source}/{problem.order}" if problem.source else problem.order
        yield f"    {problem.kind}: {place}: {problem.reason}"
    if len(report.problems) > _MOST_PROBLEMS:
        yield f"    and {len(report.problems) - _MOST_PROBLEMS} more"


def _row(name: str, text: str) -> str:
    return f"  {name:<19} {text}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
