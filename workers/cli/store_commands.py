"""Runs `millrace topology declare|check|diff` and `millrace db upgrade`: what broker and ledger must have."""

from typing import TYPE_CHECKING

import typer

from workers.cli.choosing import By, Why, actor
from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, fail, say, show_json, show_rows

if TYPE_CHECKING:
    from routing.declare import Finding

topology = typer.Typer(help="Exchanges, queues and bindings of the broker.", epilog=EPILOG, no_args_is_help=True)
db = typer.Typer(help="Tables of the ledger.", epilog=EPILOG, no_args_is_help=True)

_COLUMNS = {"kind": "kind", "name": "name", "state": "state", "detail": "the broker says"}


@topology.command("declare", epilog="Example: millrace topology declare")
def declare(as_json: Json = False) -> None:
    """Make what the broker lacks. What it has otherwise is left alone and shown."""
    findings = _on_broker(change=True)
    show_rows(findings, _COLUMNS, as_json=as_json, none="nothing to declare")
    _end(findings, "delete the differing queue when it is empty, then declare again")


@topology.command("check", epilog="Example: millrace topology check && millrace worker prepare")
def check(as_json: Json = False) -> None:
    """Prove that the broker has the topology; exit 1 if anything is missing or differs."""
    findings = _on_broker(change=False)
    wrong = [f for f in findings if f.state != "ok"]
    if as_json:
        show_json({"ok": not wrong, "checked": len(findings), "wrong": [{"name": f.name, "state": f.state} for f in wrong]})
    else:
        say(f"{len(findings)} checked, {len(wrong)} wrong")
    _end(findings, "see millrace topology diff, then millrace topology declare")


@topology.command("diff", epilog="Example: millrace topology diff --json")
def diff(as_json: Json = False) -> None:
    """Show only what is missing or differs. Exits 0: looking is no failure."""
    wrong = [f for f in _on_broker(change=False) if f.state != "ok"]
    show_rows(wrong, _COLUMNS, as_json=as_json, none="no difference")


@db.callback()
def _noun() -> None:
    """Keep `upgrade` a verb of its own while it is the only one."""


@db.command("upgrade", epilog="Example: MILLRACE_LEDGER_URL=postgresql://... millrace db upgrade")
def upgrade(by: By = "", why: Why = "", as_json: Json = False) -> None:
    """Bring the ledger's tables to the newest shape; safe to repeat."""
    from ledger import migrate
    from ledger.session import LedgerUnavailable
    from workers.bootstrap import now
    from workers.cli.wiring import open_ledger, settings

    ledger = open_ledger(settings())
    try:
        before, after = migrate.upgrade(ledger, (actor(by, why), now()))
    except LedgerUnavailable as error:
        reason = str(error).partition("\n")[0][:200]
        fail(f"the ledger does not answer: {reason}", Exit.UNAVAILABLE)
    except migrate.LedgerTooNewError as error:
        fail(str(error), Exit.REFUSED)
    finally:
        ledger.close()
    if as_json:
        show_json({"before": before, "after": after})
    else:
        say(f"ledger is at {after}" if before == after else f"ledger went from {before or 'empty'} to {after}")


def _on_broker(*, change: bool) -> "list[Finding]":
    from amqp.exceptions import AccessRefused, AMQPError, NotAllowed
    from kombu import Connection

    from config.topology import load_topology
    from routing.declare import declare as declare_topology
    from routing.declare import inspect
    from routing.topology import build_topology
    from workers.cli.wiring import broker_url, settings

    loaded = settings()
    wanted = build_topology(load_topology(), loaded.fleet.targets)
    try:
        with Connection(broker_url(loaded), connect_timeout=5) as connection:
            return declare_topology(connection, wanted) if change else inspect(connection, wanted)
    except (AccessRefused, NotAllowed) as error:
        fail(f"the broker refuses: {error.reply_text}; check login, vhost and the right to configure", Exit.REFUSED)
    except (OSError, AMQPError) as error:
        fail(f"the broker does not answer as it should: {type(error).__name__}; is it up?", Exit.UNAVAILABLE)


def _end(findings: "list[Finding]", remedy: str) -> None:
    wrong = [f.name for f in findings if f.state in ("missing", "differs")]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        fail(f"the broker has not {', '.join(wrong[:3])}{more} as wanted; {remedy}", Exit.FAILED)
