"""Figures read from the ledger: only those on the list are shown, once a few seconds, and never without bound."""

from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from telemetry import gauges
from telemetry.figures import FIGURES, READABLE
from telemetry.gauges import Figure, Kept, Reading, gauges_collector

LIST = {
    "millrace_things": Figure("Things", ("place",), "things"),
    "millrace_done_total": Figure("Done", (), "things", total=True),
}


def shown(readings: Iterable[Reading]) -> set[str]:
    registry = CollectorRegistry()
    registry.register(gauges_collector(LIST, "millrace_things_readable", lambda: readings))
    return set(generate_latest(registry).decode().splitlines())


def test_readings_of_the_list_are_shown_with_their_labels_and_no_others() -> None:
    lines = shown([
        Reading("millrace_things", 3, {"place": "here", "email": "canary@example.com"}, why="canary"),
        Reading("millrace_done_total", 7),
        Reading("millrace_unknown", 1),
    ])  # fmt: skip

    values = {line for line in lines if not line.startswith("#")}
    assert values == {'millrace_things{place="here"} 3.0', "millrace_done_total 7.0", "millrace_things_readable 1.0"}
    assert "# TYPE millrace_done_total counter" in lines


def test_a_mistake_in_what_is_read_cannot_make_series_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "MOST_SERIES", 5)

    lines = shown([Reading("millrace_things", n, {"place": f"p{n}"}) for n in range(100)])

    assert sum(line.startswith("millrace_things{") for line in lines) == 5


def test_figures_that_cannot_be_read_are_said_to_be_so() -> None:
    def away() -> Iterable[Reading]:
        raise ConnectionError("no ledger")

    registry = CollectorRegistry()
    registry.register(gauges_collector(LIST, "millrace_things_readable", away))

    values = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert values == ["millrace_things_readable 0.0"]


def test_readings_are_kept_for_their_time_and_a_failed_look_is_not() -> None:
    clock, looks = [0.0], [0]

    def read() -> list[Reading]:
        looks[0] += 1
        if looks[0] == 2:
            raise ConnectionError("no ledger")
        return [Reading("millrace_things", looks[0])]

    kept = Kept(read, 5, lambda: clock[0])
    first, again = kept(), kept()
    clock[0] = 6
    with pytest.raises(ConnectionError):
        kept()
    third = kept()

    assert [one[0].value for one in (first, again, third)] == [1, 1, 3]


def test_every_figure_has_an_honest_name() -> None:
    wrong = [name for name, figure in FIGURES.items() if figure.total != name.endswith("_total")]
    wrong += [name for name, figure in FIGURES.items() if (figure.unit == "seconds") != name.endswith("_seconds")]
    wrong += [name for name, figure in FIGURES.items() if not name.startswith("millrace_") or not figure.wanted]

    assert not wrong
    assert READABLE not in FIGURES
