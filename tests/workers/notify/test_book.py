"""The book of alerts: what fires after its time, is told once and together, may be taken or silenced, and ends once."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ledger.alerts import Alert
from tests.documents import at
from workers.notify import book
from workers.notify.book import ALERTMANAGER, Group, Manners
from workers.notify.rules import PAGE, Sighting

MANNERS = Manners(group_wait_s=10, repeat_s=3_600)


def seen(family: str = "orders", for_s: float = 60) -> Sighting:
    return Sighting("MillraceBacklogOld", PAGE, {"family": family}, "it waits", "docs/runbooks/queue-backlog.md", for_s)


class Story:
    """A book that looks again and again, and what it told."""

    def __init__(self) -> None:
        self.known: dict[str, Alert] = {}
        self.told: list[tuple[str, int]] = []

    def look(self, seconds: float, *sightings: Sighting) -> "Story":
        now = at(seconds)
        self.known = book.after_look(self.known, sightings, now)
        for group in book.to_tell(self.known.values(), now, MANNERS):
            self.told.append((group.state, len(group.alerts)))
            self._write(book.told(group.alerts, now))
        self._write(book.ended_in_silence(self.known.values(), now))
        return self

    def change(self, **values: object) -> None:
        self.known = {fp: replace(alert, **values) for fp, alert in self.known.items()}  # type: ignore[arg-type]

    @property
    def states(self) -> list[str]:
        return [alert.state for alert in self.known.values()]

    def _write(self, alerts: Iterable[Alert]) -> None:
        self.known |= {alert.fingerprint: alert for alert in alerts}


def test_an_alert_fires_after_its_time_and_is_told_once() -> None:
    story = Story()

    assert story.look(0, seen()).states == ["pending"]
    assert story.look(59, seen()).states == ["pending"]
    assert story.look(60, seen()).states == ["firing"]
    story.look(70, seen()).look(75, seen()).look(80, seen())

    assert story.told == [("firing", 1)]


def test_what_was_seen_too_shortly_is_never_told() -> None:
    story = Story().look(0, seen()).look(30).look(40, seen()).look(90, seen())

    assert story.states == ["pending"]
    assert story.told == []


def test_alerts_of_one_name_that_begin_together_are_told_together() -> None:
    story = Story().look(0, seen("orders", 0)).look(5, seen("orders", 0), seen("returns", 0))

    story.look(15, seen("orders", 0), seen("returns", 0))

    assert story.told == [("firing", 2)]


def test_an_alert_that_lasts_is_told_again_after_its_repeat_time() -> None:
    story = Story()

    for seconds in range(0, 7_300, 30):
        story.look(seconds, seen(for_s=0))

    assert story.told == [("firing", 1)] * 3


def test_the_end_is_told_once_and_only_after_a_minute_without_it() -> None:
    story = Story().look(0, seen(for_s=0)).look(10, seen(for_s=0))

    story.look(40).look(50, seen(for_s=0)).look(80)
    still = list(story.told)
    story.look(111).look(120)

    assert still == [("firing", 1)]
    assert story.told == [("firing", 1), ("resolved", 1)]


def test_what_comes_back_is_told_anew() -> None:
    story = Story().look(0, seen(for_s=0)).look(10, seen(for_s=0)).look(100)

    story.look(200, seen(for_s=0)).look(210, seen(for_s=0))

    assert story.told == [("firing", 1), ("resolved", 1), ("firing", 1)]


def test_a_taken_alert_is_told_no_more_until_its_end() -> None:
    story = Story().look(0, seen(for_s=0)).look(10, seen(for_s=0))
    story.change(acked_by="ann", acked_at=at(20))

    story.look(3_700, seen(for_s=0)).look(7_400, seen(for_s=0)).look(7_500)

    assert story.told == [("firing", 1), ("resolved", 1)]


def test_a_silenced_alert_is_not_told_and_ends_in_silence_but_speaks_after_its_time() -> None:
    ended, lasting = Story(), Story()
    for story in (ended, lasting):
        story.look(0, seen(for_s=0)).look(10, seen(for_s=0))
        story.change(quiet_until=at(5_000))

    ended.look(100).look(6_000)
    lasting.look(4_000, seen(for_s=0)).look(5_001, seen(for_s=0))

    assert ended.told == [("firing", 1)]
    assert lasting.told == [("firing", 1), ("firing", 1)]


def test_an_own_look_leaves_alone_what_alertmanager_told_of() -> None:
    theirs = book.after_look({}, [seen(for_s=0)], at(0), ALERTMANAGER)

    after = book.after_look(theirs, [], at(600))

    assert [alert.state for alert in after.values()] == ["firing"]


def test_the_same_trouble_has_one_fingerprint_whoever_tells_it() -> None:
    own = seen()
    other = replace(own, summary="other words", severity="ticket")

    assert own.fingerprint == other.fingerprint
    assert own.fingerprint != seen("returns").fingerprint


def test_groups_are_by_name_and_state() -> None:
    moment: datetime = at(100)
    alerts = [
        Alert(str(n), name, PAGE, {}, "", "", "own", state, at(0), at(0), at(0), told=told)
        for n, (name, state, told) in enumerate([("A", "firing", None), ("A", "firing", None), ("A", "resolved", "firing")])
    ]

    groups = book.to_tell(alerts, moment, MANNERS)

    assert groups == [Group("A", "firing", tuple(alerts[:2])), Group("A", "resolved", (alerts[2],))]
