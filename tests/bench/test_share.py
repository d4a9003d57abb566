"""A peer's part of a limit is kept by a bucket of its own, and what the fleet file tells Millrace is what was known."""

import tomllib

import pytest

from bench.contenders import Told
from bench.fleet_file import fleet_file
from bench.peers.share import Share


def test_a_share_gives_its_burst_at_once_and_then_a_turn_at_a_time() -> None:
    share = Share(rate_per_s=10.0, burst=2)

    waits = [share.wait_s() for _ in range(5)]

    assert waits[:2] == [0.0, 0.0]
    assert waits[2:] == [pytest.approx(0.1, abs=0.05), pytest.approx(0.2, abs=0.05), pytest.approx(0.3, abs=0.05)]


@pytest.mark.parametrize(
    ("told", "limit"),
    [
        (None, None),
        (Told(), None),
        (Told(50.0, 10, 10), {"rate_per_s": 50.0, "burst": 10, "concurrency": 10}),
    ],
)
def test_the_fleet_file_says_of_the_limit_what_is_known(told: Told | None, limit: dict[str, float] | None) -> None:
    options: dict[str, str | int | float | bool] = {"guest_customer": "1", "company": 3}
    text = fleet_file("http://127.0.0.1:1", told, adapter="netsuite", options=options, slots=4, answer_timeout_s=10.0)

    erp = tomllib.loads(text)["targets"]["erp"]

    assert erp.get("limit") == limit
    assert erp["options"] == options
