"""Runs `millrace alerts`: what is wrong now, who has taken it, silence for a while, and a notice to try the way out."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.choosing import By, Why, actor
from workers.cli.exits import EPILOG, Exit
from workers.cli.moments import seconds
from workers.cli.output import Json, Most, age, fail, say, show_json, show_table
from workers.cli.wiring import changing, reading, settings

if TYPE_CHECKING:
    from ledger.alerts import Alert
    from ledger.session import Session

alerts = typer.Typer(
    help="Alerts: what is wrong now, and who was told.",
    epilog="Example: millrace alerts list\n\n" + EPILOG,
    no_args_is_help=True,
)

Which = Annotated[str, typer.Argument(help="The alert's id, or its beginning.", show_default=False)]
_HEADINGS = ("id", "state", "severity", "alert", "since", "told", "taken by", "summary", "runbook")


@alerts.command("list", epilog="Example: millrace alerts list --all --json")
def list_alerts(
    resolved: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show alerts, those that fire first."""
    import ledger.alerts

    with reading() as session:
        found = ledger.alerts.listed(session, most, resolved=resolved)
    if as_json:
        return show_json([_plain(alert) for alert in found])
    if not found:
        return say("no alerts")
    return show_table(_HEADINGS, [_cells(alert) for alert in found])


@alerts.command("ack", epilog="Example: millrace alerts ack 3f9c --why 'restarting the broker'")
def ack_alert(which: Which, by: By = "", why: Why = "") -> None:
    """Take an alert: nobody is told of it any more until it is over."""
    import ledger.alerts
    from ledger import actions
    from workers.bootstrap import now

    who = actor(by, why)
    with changing(settings()) as session:
        alert = _one(session, which)
        if alert.over:
            fail(f"{alert.name} is over since {age(alert.resolved_at or alert.seen_at)}", Exit.REFUSED)
        ledger.alerts.acknowledge(session, alert.fingerprint, who.by, now())
        subject = f"alert {alert.fingerprint}"
        before = {subject: {"acked_by": alert.acked_by}} if alert.acked_by else {}
        actions.record(session, who, "alert.ack", [subject], now(), before=before, name=alert.name, acked_by=who.by)
    say(f"{alert.name} ({alert.fingerprint}) is {who.by}'s: {alert.runbook}")


@alerts.command("quiet", epilog="Example: millrace alerts quiet 3f9c --for 2h --why 'known, the ERP is being updated'")
def quiet_alert(
    which: Which,
    lasts: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d; at most a week.", metavar="SPAN")] = "2h",
    by: By = "",
    why: Why = "",
) -> None:
    """Be silent about an alert for a while, also if it ends and begins again."""
    import ledger.alerts
    from ledger import actions
    from workers.bootstrap import now

    lasts_s = min(seconds(lasts), 7 * 86_400.0)
    who = actor(by, why)
    with changing(settings()) as session:
        alert = _one(session, which)
        until = now() + timedelta(seconds=lasts_s)
        ledger.alerts.silence(session, alert.fingerprint, until)
        subject = f"alert {alert.fingerprint}"
        before = {subject: {"until": alert.quiet_until.isoformat()}} if alert.quiet_until else {}
        actions.record(session, who, "alert.quiet", [subject], now(), before=before, name=alert.name, until=until.isoformat())
    say(f"{alert.name} ({alert.fingerprint}) is silent until {until:%Y-%m-%d %H:%M} UTC")


@alerts.command("test", epilog="Example: millrace alerts test")
def try_destinations(as_json: Json = False) -> None:
    """Send a test notice to every destination now and say what each answered; 1 if one did not take it, 4 without any."""
    from uuid import uuid4

    from config.nearest import ConfigError
    from ledger.notices import Notice
    from workers.bootstrap import now
    from workers.notify.destinations import destinations_of
    from workers.notify.wording import trial_body

    loaded = settings()
    try:
        destinations = destinations_of(loaded).by_name
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    if not destinations:
        fail("no destination is set: MILLRACE_NOTIFY_EMAIL_TO or MILLRACE_NOTIFY_WEBHOOK_URLS, see docs/alerts.md", Exit.REFUSED)
    body = trial_body(loaded.environment, now())
    said = {name: one.send(Notice(0, name, uuid4().hex, body, 1, now())) for name, one in destinations.items()}
    if as_json:
        show_json([{"destination": name, "taken": not why, "said": why} for name, why in said.items()])
    else:
        show_table(("destination", "taken", "said"), [(name, "no" if why else "yes", why or "-") for name, why in said.items()])
    if any(said.values()):
        raise typer.Exit(int(Exit.FAILED))


def _one(session: "Session", which: str) -> "Alert":
    import ledger.alerts

    found = ledger.alerts.find(session, which) if which else []
    if len(found) != 1:
        fail(f"{len(found)} alerts begin with {which!r}; see millrace alerts list", Exit.NOT_FOUND)
    return found[0]


def _plain(alert: "Alert") -> dict[str, Any]:
    return {name: getattr(alert, name) for name in alert.__slots__} | {"labels": dict(alert.labels)}


def _cells(alert: "Alert") -> list[str]:
    told = age(alert.told_at) if alert.told_at else "-"
    taken = alert.acked_by or ("silent" if alert.quiet_until else "-")
    first = [alert.fingerprint, alert.state, alert.severity, alert.name]
    return [*first, age(alert.first_at), told, taken, alert.summary, alert.runbook]
