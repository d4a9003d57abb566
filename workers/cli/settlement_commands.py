"""Runs `millrace settlements`: what was paid out, what of it does not fit, and explaining what is to be left as it is."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from workers.cli.choosing import By, Why, actor
from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, Most, age, fail, say, show_json, show_table
from workers.cli.wiring import changing, reading, settings

if TYPE_CHECKING:
    from ledger.findings import FindingView
    from ledger.settlements import Payout

settlements = typer.Typer(
    help="Settlements: what was paid out, compared with the orders and returns that are known.",
    epilog="Example: millrace settlements exceptions\n\n" + EPILOG,
    no_args_is_help=True,
)

Reason = Literal[
    "unattributed", "order_unknown", "currency_differs", "amount_differs", "paid_though_cancelled", "refund_unknown",
    "refund_differs", "parts_missing", "total_differs",
]  # fmt: skip
State = Literal["open", "explained", "resolved"]
Source = Annotated[str | None, typer.Option("--source", help="Only of this source's orders or payouts.")]
_FINDING = re.compile(r"s?([1-9][0-9]{0,17})")
_PAYOUTS = ("payout", "source", "paid", "currency", "total", "lines add up to", "lines", "parts")
_FINDINGS = ("id", "reason", "about", "source", "key", "currency", "expected", "told", "difference", "since", "state")


@settlements.command("list", epilog="Example: millrace settlements list --most 10 --json")
def list_payouts(most: Most = 50, as_json: Json = False) -> None:
    """Show payouts, those paid last first."""
    import ledger.settlements

    with reading() as session:
        found = ledger.settlements.payouts(session, most)
    if as_json:
        return show_json([_plain(payout) for payout in found])
    if not found:
        return say("no payout was told; see docs/settlements.md")
    return show_table(_PAYOUTS, [_payout_cells(payout) for payout in found])


@settlements.command("show", epilog="Example: millrace settlements show PO-2026-11-27")
def show_payout(
    payout: Annotated[str, typer.Argument(help="The payout's id, as the sender tells it.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show one payout: its sums by kind of line, and what does not fit in it or in the orders that it names."""
    import ledger.findings
    import ledger.settlements

    with reading() as session:
        told = []
        for one in ledger.settlements.payout(session, payout):
            sums = ledger.settlements.sums_by_type(session, one.source, one.payout)
            own = ledger.findings.of(session, "payout", one.source, one.payout)
            told.append((one, sums, [*own, *ledger.findings.of_orders_in(session, one.source, one.payout)]))
    if not told:
        fail(f"no source told of a payout {payout!r}; see millrace settlements list", Exit.NOT_FOUND)
    if as_json:
        named = ("type", "currency", "lines", "amount")
        return show_json(
            [
                _plain(one) | {"sums": [dict(zip(named, row, strict=True)) for row in sums], "findings": list(map(_plain, found))}
                for one, sums, found in told
            ]
        )
    show_table(_PAYOUTS, [_payout_cells(one) for one, _, _ in told])
    for one, sums, found in told:
        rows = [(one.source, kind, currency, str(lines), str(amount)) for kind, currency, lines, amount in sums]
        show_table(("source", "type", "currency", "lines", "amount"), rows)
        if found:
            show_table(_FINDINGS, [_finding_cells(finding) for finding in found])
        else:
            say(f"everything of {one.payout} fits, or is not compared yet")
    return None


@settlements.command("exceptions", epilog="Example: millrace settlements exceptions --reason unattributed --json")
def list_exceptions(
    source: Source = None,
    reason: Annotated[Reason | None, typer.Option(help="Only for this reason.")] = None,
    state: Annotated[State, typer.Option(help="Those that are open, were explained, or closed by themselves.")] = "open",
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show what does not fit: open ones the oldest first, others the newest first."""
    import ledger.findings

    with reading() as session:
        found = ledger.findings.listed(session, most, state=state, source=source, reason=reason)
    if as_json:
        return show_json([_plain(finding) for finding in found])
    if not found:
        return say(f"no {state} exception")
    return show_table(_FINDINGS, [_finding_cells(finding) for finding in found])


@settlements.command("explain", epilog="Example: millrace settlements explain s12 --why 'a voucher of the marketplace'")
def explain_exception(
    which: Annotated[str, typer.Argument(help="s12, as `settlements exceptions` shows it.", show_default=False)],
    by: By = "",
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Close an open exception with a reason. It stays closed while the difference is the same."""
    from tasks.reconcile import explain
    from workers.bootstrap import now

    read = _FINDING.fullmatch(which)
    if not read:
        fail(f"{which!r} names no exception: write s12; see millrace settlements exceptions", Exit.USAGE)
    who = actor(by, why, needed=True)
    with changing(settings()) as session:
        done = explain(session, int(read[1]), who, now())
    if done is None:
        _not_open(int(read[1]))
    if as_json:
        return show_json(_plain(done) | {"state": "explained", "explained_by": who.by, "why": who.why})
    return say(f"s{done.id} ({done.reason} of {done.about} {done.source}/{done.key}) is explained")


def _not_open(finding_id: int) -> NoReturn:
    import ledger.findings

    with reading() as session:
        found = ledger.findings.find(session, finding_id)
    if found is None:
        fail(f"there is no exception s{finding_id}; see millrace settlements exceptions", Exit.NOT_FOUND)
    by = f" by {found.explained_by}: {found.why}" if found.state == "explained" else ""
    fail(f"s{finding_id} is {found.state} already{by}", Exit.REFUSED)


def _plain(row: "Payout | FindingView") -> dict[str, Any]:
    told = {name: getattr(row, name) for name in row.__slots__}
    return told | {"id": f"s{told['id']}"} if "id" in told else told


def _payout_cells(one: "Payout") -> list[str]:
    sums = [one.currency, str(one.total), str(one.lines_total)]
    return [one.payout, one.source, f"{one.paid_at:%Y-%m-%d %H:%M}", *sums, str(one.lines), f"{one.parts_told} of {one.parts}"]


def _finding_cells(one: "FindingView") -> list[str]:
    about = f"line {one.line}" if one.line else one.about
    amounts = ["-" if amount is None else str(amount) for amount in (one.expected, one.told, one.difference)]
    state = f"{one.state} by {one.explained_by}: {one.why}" if one.explained_by else one.state
    return [f"s{one.id}", one.reason, about, one.source, one.key, one.currency, *amounts, age(one.opened_at), state]
