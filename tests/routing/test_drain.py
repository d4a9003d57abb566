"""How long what waits will wait: the figures of the look ahead are those that the wheel itself arrives at."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import names
from routing.drain import drained_s
from routing.names import CLASSES, Class
from routing.weights import Turn, Weights, Wheel

LANE = "deliver.books"


def served(waiting: dict[str, dict[Class, int]], weights: Weights, shares: dict[str, int]) -> dict[tuple[str, Class], float]:
    """The call at which the wheel serves the last of each domain and class."""
    wheel = Wheel()
    wheel.set({LANE: weights}, {LANE: shares})
    left = {names.family("books", domain): dict(classes) for domain, classes in waiting.items()}
    found: dict[tuple[str, Class], float] = {}
    for call in range(1, sum(sum(classes.values()) for classes in waiting.values()) + 1):
        heads = {family: {cls: 0.0 for cls, rows in classes.items() if rows} for family, classes in left.items()}
        turn = wheel.next(heads)
        assert isinstance(turn, Turn)
        wheel.serve(turn)
        left[turn.family][turn.cls] -= 1
        if not left[turn.family][turn.cls]:
            found[names.domain_of(turn.family), turn.cls] = call
    return found


@pytest.mark.parametrize("strict", [False, True])
def test_the_waits_are_those_of_the_wheel(strict: bool) -> None:
    waiting: dict[str, dict[Class, int]] = {
        "orders": {"high": 120, "normal": 400, "low": 30},
        "shipments": {"normal": 200},
        "returns": {"low": 90},
    }
    weights, shares = Weights(high=16, normal=4, low=1, strict=strict), {"orders": 60, "shipments": 25, "returns": 10}

    told = drained_s({d: {c: float(n) for c, n in by.items()} for d, by in waiting.items()}, weights, shares, 1.0)

    truth = served(waiting, weights, shares)
    assert told.keys() == truth.keys()
    for place, call in truth.items():
        assert told[place] == pytest.approx(call, abs=0.02 * 840 + 2), place


@settings(max_examples=60, deadline=None)
@given(
    waiting=st.dictionaries(
        st.sampled_from(["orders", "shipments", "returns"]),
        st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 60), min_size=1),
        min_size=1,
    ),
    high=st.integers(1, 64),
    normal=st.integers(1, 16),
    orders=st.integers(1, 90),
)
def test_whatever_waits_the_last_goes_when_all_is_done_and_nothing_is_left_out(
    waiting: dict[str, dict[Class, int]], high: int, normal: int, orders: int
) -> None:
    told = drained_s(
        {d: {c: float(n) for c, n in by.items()} for d, by in waiting.items()}, Weights(high, normal, 1), {"orders": orders}, 2.0
    )

    assert told.keys() == {(domain, cls) for domain, classes in waiting.items() for cls in classes}
    assert max(told.values()) == pytest.approx(sum(sum(by.values()) for by in waiting.values()) / 2.0, abs=0.01)


def test_nothing_waits_for_nothing() -> None:
    assert drained_s({}, Weights(), {}, 1.0) == {}
    assert drained_s({"orders": {}}, Weights(), {}, 1.0) == {}
