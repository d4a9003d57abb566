"""The limit table of a target: presets, what overrides them, and the mistakes it finds."""

import pytest
from pydantic import ValidationError

from adapters.throttle.base import Budget, Limit, Points, Window
from adapters.throttle.configured import limit_of
from config.limits import LimitTable
from config.presets import PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_a_limit_that_bounds_or_learns(name: str) -> None:
    limit = limit_of(LimitTable.model_validate({"preset": name}))

    bounded = limit.rate_per_s or limit.concurrency or limit.windows or limit.points or limit.operations
    assert bounded or (limit.learn is not None and limit.learn.start_per_s)


@pytest.mark.parametrize(
    ("preset", "licences", "at_once"),
    [("netsuite-standard", 0, 5), ("netsuite-tier1", 0, 15), ("netsuite-tier2", 3, 50), ("netsuite-developer", 0, 5)],
)
def test_a_suitecloud_plus_licence_adds_ten_calls_at_once(preset: str, licences: int, at_once: int) -> None:
    assert LimitTable.model_validate({"preset": preset, "licences": licences}).concurrency == at_once


def test_microsofts_window_and_concurrency_are_the_documented_ones() -> None:
    central = limit_of(LimitTable.model_validate({"preset": "business-central"}))
    dataverse = limit_of(LimitTable.model_validate({"preset": "dataverse"}))

    assert (central.windows, central.concurrency) == ((Window(6000, 300),), 5)
    assert (dataverse.windows, dataverse.concurrency) == ((Window(6000, 300),), 52)


def test_keys_beside_a_preset_override_it_tables_key_by_key() -> None:
    table = LimitTable.model_validate({"preset": "sap", "concurrency": 6, "learn": {"floor_concurrency": 2}})

    assert table.concurrency == 6
    assert (table.learn.floor_concurrency, table.learn.start_concurrency) == (2, 2)


def test_a_wrong_preset_names_the_nearest_right_one() -> None:
    with pytest.raises(ValidationError, match="did you mean 'netsuite-tier1'"):
        LimitTable.model_validate({"preset": "netsuite-teir1"})


def test_licences_without_netsuite_are_a_mistake() -> None:
    with pytest.raises(ValidationError, match="beside a netsuite preset"):
        LimitTable.model_validate({"preset": "sap", "licences": 2})


def test_a_table_says_everything_a_limit_may_hold() -> None:
    table = LimitTable.model_validate(
        {
            "rate_per_s": 5,
            "budgets": [{"calls": 100, "resets_at": "06:30", "zone": "Europe/Berlin"}],
            "points": {"capacity": 50, "restore_per_s": 5},
            "operations": {"order.create": {"rate_per_s": 1, "concurrency": 1}},
            "learn": {"on": False},
            "breaker": {"failures": 4},
        }
    )

    limit = limit_of(table, answer_timeout_s=30)

    assert limit.budgets == (Budget(100, "06:30", "Europe/Berlin"),)
    assert limit.points == Points(50, 5)
    assert limit.operations["order.create"] == Limit(1, concurrency=1)
    assert limit.learn is None
    assert limit.breaker is not None
    assert (limit.breaker.failures, limit.breaker.slow_s) == (4, 27)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_a_time_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        limit_of(LimitTable.model_validate({"budgets": [{"calls": 1, "zone": zone}]}))
