"""Runs the words of a notice: one plain body for programs, and the letter that is made of it for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ledger.alerts import Alert
from telemetry.masking import mask_text
from workers.notify.book import Group

MOST_TOLD = 20
LONGEST = 300


def body_of(group: Group, installation: str, now: datetime) -> dict[str, object]:
    """A notice as Standard Webhooks has it: type, timestamp, data. Names, lanes and figures only, masked all the same."""
    first = group.alerts[0]
    return {
        "type": f"alert.{group.state}",
        "timestamp": now.isoformat(),
        "data": {
            "installation": installation,
            "name": group.name,
            "severity": first.severity,
            "runbook": first.runbook,
            "count": len(group.alerts),
            "alerts": [_told(alert) for alert in group.alerts[:MOST_TOLD]],
        },
    }


def headline(body: Mapping[str, Any]) -> str:
    """One line of what it is about."""
    data = body["data"]
    word = {"alert.firing": "FIRING", "alert.resolved": "RESOLVED"}.get(str(body["type"]), "TEST")
    first = ", ".join(dict(data["alerts"][0]["labels"]).values()) if data["alerts"] else ""
    more = f" and {data['count'] - 1} more" if data["count"] > 1 else ""
    # What others tell of may have lines: a letter's subject has one.
    return " ".join(f"{word} {data['name']}{f': {first}' if first else ''}{more}".split())


def letter(body: Mapping[str, Any]) -> str:
    """The whole for people, in plain text."""
    data = body["data"]
    lines = [headline(body), ""]
    for alert in data["alerts"]:
        lines += [f"- {alert['summary']}", f"  since {alert['since']}   {alert['id']}"]
    if data["count"] > len(data["alerts"]):
        lines.append(f"- and {data['count'] - len(data['alerts'])} more")
    lines += ["", f"What to do: {data['runbook']}"]
    if body["type"] == "alert.firing":
        lines.append(f"Take it: millrace alerts ack {data['alerts'][0]['id']}" if data["alerts"] else "")
    return "\n".join(lines) + "\n"


def _told(alert: Alert) -> dict[str, object]:
    ended = {"until": alert.resolved_at.isoformat()} if alert.resolved_at else {}
    return {
        "id": alert.fingerprint,
        "labels": {name: mask_text(value)[:LONGEST] for name, value in alert.labels.items()},
        "summary": mask_text(alert.summary)[:LONGEST],
        "since": alert.first_at.isoformat(),
        **ended,
    }


def trial_body(installation: str, now: datetime) -> dict[str, object]:
    """A notice that only tries the way."""
    told = {"id": "test", "labels": {}, "summary": "this is a test, nothing is wrong", "since": now.isoformat()}
    data = {"installation": installation, "name": "MillraceTest", "severity": "ticket", "count": 1, "alerts": [told]}
    return {"type": "alert.test", "timestamp": now.isoformat(), "data": data | {"runbook": "docs/alerts.md"}}
