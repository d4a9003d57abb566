"""Runs `millrace stock accuracy|oversold|unreserved`: what receiving sides believe, what was not there, what nobody reserved."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, Most, fail, say, show_json, show_rows
from workers.cli.wiring import reading, settings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ledger.counts import Accuracy
    from ledger.oversell import Cancelled

A_DAY = timedelta(days=1)
SPEAKING = "see speaks_for in docs/stock.md"
PROMISING = "see reserves_within_s in docs/stock.md"
stock = typer.Typer(help="What is published, sold and reserved, and what is not.", epilog=EPILOG, no_args_is_help=True)


@stock.command("accuracy", epilog="Example: millrace stock accuracy --target stores --most 20 --json")
def accuracy(
    target: Annotated[str | None, typer.Option(help="Only this target.", show_default=False)] = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Compare what receiving sides counted within a day with what was published there; list what is furthest apart."""
    from ledger import counts
    from workers.bootstrap import now
    from workers.stock_figures import counted_targets

    targets = _chosen(target, counted_targets(settings().fleet), "--target", f"no source speaks for it: {SPEAKING}")
    since = now() - A_DAY
    with reading() as session:
        told = counts.accuracy(session, targets, since)
        rows = counts.apart(session, targets, since, most)
    if as_json:
        show_json({"targets": [_with_ratio(one) for one in told], "apart": [asdict(row) for row in rows]})
        return
    for one in told:
        say(_sentence(one))
    columns = {"target": "target", "sku": "sku", "location": "location", "published": "published", "believed": "believed"}
    columns |= {"apart": "apart", "counted_at": "counted", "counted_by": "by"}
    show_rows(rows, columns, as_json=False, none="nothing that can be compared differs" if told else _no_counts(targets))


@stock.command("oversold", epilog="Example: millrace stock oversold --source shopify --json")
def oversold(
    source: Annotated[str | None, typer.Option(help="Only this source.", show_default=False)] = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show positions that were last told below zero, and the orders of a day that were cancelled because there was no stock."""
    from ledger import oversell
    from workers.bootstrap import now

    sources = _chosen(source, list(settings().fleet.sources), "--source", "the fleet file has no such source")
    with reading() as session:
        rates = [one for one in oversell.rates(session, now() - A_DAY) if one.channel in sources]
        rows = oversell.shortest(session, sources, most)
    if as_json:
        show_json({"orders": [asdict(one) for one in rates], "positions": [asdict(row) for row in rows]})
        return
    for one in rates:
        say(_lost(one))
    columns = {"channel": "source", "sku": "sku", "location": "location", "available": "available", "counted_at": "counted"}
    show_rows(rows, columns, as_json=False, none="no position is below zero")


@stock.command("unreserved", epilog="Example: millrace stock unreserved --source shopify --json")
def unreserved(
    source: Annotated[str | None, typer.Option(help="Only this source.", show_default=False)] = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """List orders past the time in which their source promised to reserve, by a day at most, without a reservation."""
    from ledger import unreserved as found
    from workers.bootstrap import now
    from workers.stock_figures import promises

    promised = promises(settings().fleet)
    chosen = _chosen(source, list(promised), "--source", f"it promises no reservations: {PROMISING}")
    with reading() as session:
        rows = found.missing(session, {name: promised[name] for name in chosen}, now(), most)
    columns = {"channel": "source", "key": "order", "number": "number", "told_at": "told"}
    none = "every order that was to be reserved is" if chosen else f"no source promises to reserve: {PROMISING}"
    show_rows(rows, columns, as_json=as_json, none=none)


def _chosen(wanted: str | None, known: "Collection[str]", option: str, remedy: str) -> list[str]:
    """The one that is wanted, or all."""
    if wanted is None:
        return sorted(known)
    if wanted not in known:
        names = ", ".join(sorted(known)) or "none"
        fail(f"{option} {wanted}: {remedy} (known: {names})", Exit.USAGE)
    return [wanted]


def _with_ratio(one: "Accuracy") -> dict[str, object]:
    return asdict(one) | {"ratio": one.ratio, "mean_apart": one.mean_apart}


def _sentence(one: "Accuracy") -> str:
    comparable = one.equal + one.different
    beside = f"{one.on_the_way} while one was on its way, {one.unpublished} of what was never published"
    if one.ratio is None or one.mean_apart is None:
        return f"{one.target}: no count of a day can be compared; {beside}"
    many = "the newest " if one.more else ""
    return (
        f"{one.target}: {one.ratio:.2%} of {many}{comparable} counts of a day agree, on the mean {one.mean_apart:.2f} apart"
        f" ({one.over} pieces over, {one.under} under); not compared: {beside}"
    )


def _lost(one: "Cancelled") -> str:
    return (
        f"{one.channel}: {one.cancelled} orders cancelled for want of stock, {one.told} told"
        f" ({one.cancelled / one.told:.2%}) since {one.since:%Y-%m-%d %H:%M} UTC"
    )


def _no_counts(targets: "Sequence[str]") -> str:
    return "nothing was counted within a day" if targets else f"no source speaks for a target: {SPEAKING}"
