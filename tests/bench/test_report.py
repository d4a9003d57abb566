"""The report compares the product with the best peer, says how its costs grow, and counts good runs only."""

import json
from pathlib import Path

import pytest

from bench.headline import headlines, ratio_to_best
from bench.report import Result, as_json, as_text, result_of, write
from bench.stage import Run


def test_a_rate_is_compared_with_the_highest_and_a_cost_with_the_lowest() -> None:
    medians = {
        "millrace": {"orders_per_s": 600.0, "worker_cpu_s_per_1000": 1.0},
        "celery": {"orders_per_s": 300.0, "worker_cpu_s_per_1000": 4.0},
        "dramatiq": {"orders_per_s": 200.0, "worker_cpu_s_per_1000": 2.0},
    }

    found = headlines({"pipeline": medians})

    assert found["drain.ratio"].value == 2.0
    assert found["drain.ratio"].peers == {"celery": 300.0, "dramatiq": 200.0}
    assert found["drain.cpu_ratio"].value == 0.5


def test_without_the_product_there_is_nothing_to_compare() -> None:
    assert ratio_to_best({"celery": {"accepted_per_s": 900.0}}, "accepted_per_s") is None
    assert headlines({"intake": {"celery": {"accepted_per_s": 900.0}}}) == {}


def test_a_share_stands_as_it_is_with_its_peers_beside_it() -> None:
    medians = {"millrace": {"used": 0.995, "refused": 0.0}, "taskiq": {"used": 0.98, "refused": 0.01}}

    found = headlines({"throttled": medians})

    assert found["throttled.used"].value == 0.995
    assert found["throttled.refused"].peers == {"taskiq": 0.01}


def test_growth_is_the_largest_backlog_over_the_smallest() -> None:
    medians = {
        "growth at 1000000": {"millrace": {"worker_mb": 220.0, "worker_cpu_ms_an_order": 3.0}},
        "growth at 1000": {"millrace": {"worker_mb": 200.0, "worker_cpu_ms_an_order": 2.0}, "taskiq": {"worker_mb": 100.0}},
        "growth at 100000": {"millrace": {"worker_mb": 210.0, "worker_cpu_ms_an_order": 2.0}, "taskiq": {"worker_mb": 120.0}},
    }

    found = headlines(medians)

    assert found["memory.growth"].value == pytest.approx(1.1)
    assert found["memory.growth"].peers == {"taskiq": pytest.approx(1.2)}
    assert found["cpu.growth"].value == 1.5


def test_a_median_is_of_the_good_runs_alone() -> None:
    runs = [Run("millrace", {"used": used}) for used in (0.9, 0.8, 0.7)] + [Run("millrace", {"used": 0.1}, "1 lost")]

    made = result_of("throttled", runs)

    assert made.medians == {"millrace": {"used": 0.8}}
    assert made.rounds["millrace"] == 3
    assert made.voids == {"millrace": "1 lost"}


def test_figures_that_only_some_have_leave_the_others_cells_empty() -> None:
    runs = [Run("taskiq", {"max_s": 0.3}), Run("millrace", {"max_s": 0.2, "low_per_s": 9.0})]

    text = as_text([result_of("express", runs)])

    assert "| taskiq               | 1    | 0.3000 |           |" in text
    assert "express.max_s" in text


def test_the_report_and_its_plots_are_written_where_they_were_asked_for(tmp_path: Path) -> None:
    runs = [Run("millrace", {"used": 0.99, "refused": 0.0}, curve=((0.0, 50.0, 49.0, 0.0), (1.0, 50.0, 50.0, 1.0)))]
    results: list[Result] = [result_of("throttled", runs)]
    (tmp_path / "of-an-earlier-run.svg").touch()

    write(results, tmp_path)

    told = json.loads((tmp_path / "latest.json").read_text())
    assert told["headline"] == {"throttled.used": 0.99, "throttled.refused": 0.0}
    assert told == {**json.loads(json.dumps(as_json(results))), "measured_at": told["measured_at"]} | {
        "load_average": told["load_average"]
    }
    page = (tmp_path / "latest.md").read_text()
    for picture in ("throttled.svg", "throttled-over-time.svg"):
        assert (tmp_path / picture).stat().st_size > 1_000
        assert f"({picture})" in page
    assert not (tmp_path / "of-an-earlier-run.svg").exists()
