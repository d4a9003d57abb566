"""Arrivals of a rehearsal: read from a table or made from a curve, the same for the same seed."""

from decimal import Decimal
from pathlib import Path

import pytest

from config.nearest import ConfigError
from workers.rehearse.arrivals import Arrival, read_arrivals, write_arrivals
from workers.rehearse.curves import CURVES, Curve, arrivals_of


def test_what_is_written_is_read_as_the_same(tmp_path: Path) -> None:
    arrivals = [
        Arrival(0.0, "shop", method="Express", value=Decimal("49.90"), order="7", tier="gold", promised_in_s=3600.0),
        Arrival(1.5, "shop", "return", "low", topic="refunds/create", sales_channel="web"),
    ]

    write_arrivals(tmp_path / "a.csv", arrivals)

    assert read_arrivals(tmp_path / "a.csv", ["shop"]) == (arrivals, None)


def test_dates_give_the_begin_and_the_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "time,channel,kind\n2026-11-27T08:00:05+00:00,shop,return\n2026-11-27T09:00:00+01:00,shop,order\n", encoding="utf-8"
    )

    arrivals, begins_s = read_arrivals(tmp_path / "a.csv", ["shop"])

    assert begins_s == 1_795_766_400.0
    assert [(one.at_s, one.kind) for one in arrivals] == [(0.0, "order"), (5.0, "return")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,chanel\n0,shop\n", "no column 'chanel'; did you mean 'channel'"),
        ("time,kind\n0,order\n", "the column channel is missing"),
        ("time,channel\n0,shp\n", "line 2: channel 'shp' is no source of the fleet file; did you mean 'shop'"),
        ("time,channel\n0,shop\n-1,shop\n", "line 3: time '-1'"),
        ("time,channel\n2026-11-27 08:00,shop\n", "has no zone"),
        ("time,channel,class\n0,shop,higher\n", "class 'higher'"),
        ("time,channel,kind\n0,shop,parcel\n", "kind 'parcel'"),
        ("time,channel,value\n0,shop,NaN\n", "value 'NaN' is no amount"),
        ("time,channel\n", "no arrivals"),
    ],
)
def test_a_wrong_table_says_where_and_what(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as told:
        read_arrivals(tmp_path / "a.csv", ["shop"])

    assert words in str(told.value)


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_peaks_at_its_multiple_and_brings_as_many_as_its_rate(name: str) -> None:
    curve = Curve(name, 2.0, 5.0, 2_000.0)

    some = arrivals_of(curve, "shop", 3)

    rates = [curve.rate(step / 1000) for step in range(1000)]
    expected = sum(rates) / 1000 * 2_000
    assert max(rates) == pytest.approx(10.0, rel=0.01)
    assert len(some) == pytest.approx(expected, rel=0.08)
    assert all(0 <= one.at_s < 2_000 for one in some)
    assert some == arrivals_of(curve, "shop", 3) != arrivals_of(curve, "shop", 4)


def test_parts_of_a_curve_are_what_was_asked_for() -> None:
    some = arrivals_of(Curve("flat", 10.0, 1.0, 400.0), "shop", 1, {"express": 0.3, "return": 0.2})

    assert sum(one.kind == "return" for one in some) / len(some) == pytest.approx(0.2, abs=0.03)
    assert sum(one.method == "Express" for one in some) / len(some) == pytest.approx(0.3, abs=0.03)


def test_a_curve_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="flash-sale"):
        Curve("flash-sales", 1.0, 1.0, 60.0)
