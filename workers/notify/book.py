"""Runs the book of alerts: what was seen changes what is known, and what is known decides what people are told. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ledger.alerts import Alert
from workers.notify.rules import Sighting

OWN, ALERTMANAGER = "own", "alertmanager"
CLEAR_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Manners:
    """Alerts of one name that begin within ``group_wait_s`` are told together; one that lasts is told again after
    ``repeat_s``. An alert is over when it was not seen for ``clear_after_s``: one that comes and goes is told once.
    """

    group_wait_s: float = 10.0
    repeat_s: float = 14_400.0
    clear_after_s: float = CLEAR_AFTER_S


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts of one name and one state that one notice tells of."""

    name: str
    state: str
    alerts: tuple[Alert, ...]


def after_look(
    known: Mapping[str, Alert], seen: Iterable[Sighting], now: datetime, origin: str = OWN, clear_after_s: float = CLEAR_AFTER_S
) -> dict[str, Alert]:
    """Every alert of the book after a look; those that somebody else told of stay as they are."""
    book = dict(known)
    now_seen = {sighting.fingerprint: sighting for sighting in seen}
    for fingerprint, sighting in now_seen.items():
        book[fingerprint] = _seen(known.get(fingerprint), sighting, now, origin)
    for fingerprint, alert in known.items():
        if fingerprint not in now_seen and alert.origin == origin:
            book[fingerprint] = _missed(alert, now, clear_after_s)
    return book


def to_tell(book: Iterable[Alert], now: datetime, manners: Manners) -> list[Group]:
    """What is to be told now, grouped by name and state."""
    groups: dict[tuple[str, str], list[Alert]] = {}
    for alert in book:
        if _due(alert, now, manners):
            groups.setdefault((alert.name, alert.state), []).append(alert)
    return [Group(name, state, tuple(alerts)) for (name, state), alerts in groups.items()]


def told(alerts: Sequence[Alert], now: datetime) -> list[Alert]:
    """The same alerts, after people were told."""
    return [replace(alert, told=alert.state, told_at=now) for alert in alerts]


def ended_in_silence(book: Iterable[Alert], now: datetime) -> list[Alert]:
    """Alerts that ended while they were to be quiet: their end counts as told."""
    return [
        replace(alert, told="resolved", told_at=now)
        for alert in book
        if alert.over and alert.told == "firing" and _quiet(alert, now)
    ]


def _seen(alert: Alert | None, sighting: Sighting, now: datetime, origin: str) -> Alert:
    if alert is None or alert.over:
        quiet = alert.quiet_until if alert else None
        alert = Alert(
            sighting.fingerprint, sighting.name, sighting.severity, sighting.labels, sighting.summary, sighting.runbook,
            origin, "pending", now, now, quiet_until=quiet, told=_untold_end(alert), told_at=alert.told_at if alert else None,
        )  # fmt: skip
    alert = replace(alert, seen_at=now, summary=sighting.summary)
    if alert.state == "pending" and now - alert.first_at >= timedelta(seconds=sighting.for_s):
        return replace(alert, state="firing", fired_at=now)
    return alert


def _untold_end(alert: Alert | None) -> str | None:
    """An alert that came back before its end was told has simply gone on."""
    return "firing" if alert is not None and alert.told == "firing" else None


def _missed(alert: Alert, now: datetime, clear_after_s: float) -> Alert:
    if alert.state == "pending":
        return replace(alert, state="resolved", resolved_at=now)
    if alert.state == "firing" and now - alert.seen_at >= timedelta(seconds=clear_after_s):
        return replace(alert, state="resolved", resolved_at=now)
    return alert


def _due(alert: Alert, now: datetime, manners: Manners) -> bool:
    if _quiet(alert, now):
        return False
    if alert.over:
        return alert.told == "firing"
    if alert.state != "firing" or alert.acked_at is not None or alert.fired_at is None:
        return False
    if alert.told != "firing" or alert.told_at is None:
        return now - alert.fired_at >= timedelta(seconds=manners.group_wait_s)
    return now - alert.told_at >= timedelta(seconds=manners.repeat_s)


def _quiet(alert: Alert, now: datetime) -> bool:
    return alert.quiet_until is not None and now < alert.quiet_until
