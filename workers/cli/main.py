"""Runs `millrace`: every command by noun, then verb."""

import sys
from importlib.metadata import PackageNotFoundError, version

import typer

from workers.cli.alert_commands import alerts
from workers.cli.audit_commands import audit
from workers.cli.case_commands import add_case_commands
from workers.cli.config_commands import config
from workers.cli.console_commands import console
from workers.cli.demo_command import demo
from workers.cli.desk_commands import crossrefs, weights
from workers.cli.edit_commands import add_edit_commands
from workers.cli.exits import EPILOG, Exit
from workers.cli.failure_commands import failures
from workers.cli.job_commands import jobs
from workers.cli.lanes_commands import lanes
from workers.cli.ledger_commands import deliveries, documents, events
from workers.cli.output import Json, say, show_json
from workers.cli.peak_commands import peak
from workers.cli.rehearse_command import EPILOG_WITH_EXAMPLES, rehearse
from workers.cli.reprioritize_commands import reprioritize
from workers.cli.run_commands import flower, receiver, recorder, relay, sandbox, up, worker
from workers.cli.runbook_commands import runbook
from workers.cli.scale_commands import scale
from workers.cli.settlement_commands import settlements
from workers.cli.stock_commands import stock
from workers.cli.store_commands import db, topology
from workers.cli.wiring import explained

app = typer.Typer(
    name="millrace",
    help="Feeds an ERP with orders at the rate it can grind: accepted once, in business order, exactly once in effect.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: loading the toolkit for boxes and colours would take longer than all the rest of `--help`.
    rich_markup_mode=None,
)

for command in (up, receiver, worker, relay, recorder, flower, sandbox, demo):
    app.command(command.__name__)(command)
app.command("rehearse", epilog=EPILOG_WITH_EXAMPLES)(rehearse)
app.add_typer(topology, name="topology")
app.add_typer(events, name="events")
app.add_typer(documents, name="documents")
app.add_typer(deliveries, name="deliveries")
add_case_commands(failures)
add_edit_commands(failures)
app.add_typer(failures, name="failures")
app.add_typer(jobs, name="jobs")
app.add_typer(stock, name="stock")
app.add_typer(crossrefs, name="crossrefs")
app.add_typer(weights, name="weights")
app.add_typer(lanes, name="lanes")
app.add_typer(audit, name="audit")
app.add_typer(reprioritize, name="reprioritize")
app.add_typer(console, name="console")
app.add_typer(peak, name="peak")
app.add_typer(runbook, name="runbook")
app.add_typer(alerts, name="alerts")
app.add_typer(scale, name="scale")
app.add_typer(settlements, name="settlements")
app.add_typer(config, name="config")
app.add_typer(db, name="db")


def installed_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("millrace")
    except PackageNotFoundError:
        return "not installed"


@app.command("version")
def show_version(as_json: Json = False) -> None:
    """Print the version."""
    if as_json:
        show_json({"version": installed_version()})
    else:
        sys.stdout.write(f"millrace {installed_version()}\n")


def main() -> None:
    """Entry point of the `millrace` command. What it cannot name is a fault of ours and keeps its stack trace."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(int(Exit.INTERRUPTED))
    except (ValueError, OSError) as error:
        told = explained(error)
        if told is None:
            raise
        say(f"millrace: {told[0]}")
        sys.exit(int(told[1]))
