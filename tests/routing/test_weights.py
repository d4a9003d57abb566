from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.names import CLASSES, Class
from routing.weights import Turns, Weights, Wheel

weight = st.integers(1, 40)
weights_of_three = st.builds(Weights, high=weight, normal=weight, low=weight)
some_classes = st.sets(st.sampled_from(CLASSES), min_size=1)


def _take(wheel: Wheel, waiting: dict[str, list[Class]], turns: int) -> list[tuple[str, Class]]:
    taken = []
    for _ in range(turns):
        turn = wheel.next(waiting)
        assert turn is not None
        wheel.serve(*turn, waiting)
        taken.append(turn)
    return taken


@given(weights_of_three, some_classes, st.integers(1, 5))
def test_classes_with_work_are_served_in_proportion_to_their_weights(weights: Weights, classes: set[Class], rounds: int) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    total = sum(weights.of(cls) for cls in classes)

    served = Counter(cls for _, cls in _take(wheel, {"orders": list(classes)}, rounds * total))

    assert served == {cls: rounds * weights.of(cls) for cls in classes}


@given(weights_of_three, st.integers(1, 300))
def test_no_prefix_of_the_order_is_far_from_the_proportions(weights: Weights, turns: int) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    total = weights.high + weights.normal + weights.low

    served = Counter(cls for _, cls in _take(wheel, {"orders": list(CLASSES)}, turns))

    assert all(abs(served[cls] - turns * weights.of(cls) / total) < len(CLASSES) for cls in CLASSES)


@settings(max_examples=30)
@given(weights_of_three, st.lists(some_classes, min_size=200, max_size=400))
def test_low_is_never_starved_whatever_comes_and_goes_beside_it(weights: Weights, comings: list[set[Class]]) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    longest = since = 0

    for classes in comings:
        ((_, cls),) = _take(wheel, {"orders": [cls for cls in CLASSES if cls in classes or cls == "low"]}, 1)
        since = 0 if cls == "low" else since + 1
        longest = max(longest, since)

    assert longest <= 2 * (weights.high + weights.normal + weights.low)


@given(weights_of_three, some_classes)
def test_something_is_served_whenever_something_waits(weights: Weights, classes: set[Class]) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})

    turn = wheel.next({"orders": list(classes), "returns": []})

    assert turn is not None
    assert turn[1] in classes
    assert wheel.next({"orders": []}) is None


@settings(max_examples=30)
@given(weights_of_three)
def test_the_share_of_an_idle_class_is_lent_out_and_not_claimed_back_in_a_burst(weights: Weights) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    total = weights.high + weights.low

    lent = _take(wheel, {"orders": ["low"]}, 500)
    after = Counter(cls for _, cls in _take(wheel, {"orders": ["high", "low"]}, total))

    assert len(lent) == 500
    assert after == {"high": weights.high, "low": weights.low}


@given(st.integers(1, 20), st.integers(1, 20))
def test_families_share_by_their_shares(one: int, other: int) -> None:
    wheel = Wheel()
    wheel.set({"orders": Weights(share=one), "returns": Weights(share=other)})

    taken = _take(wheel, {"orders": ["high"], "returns": ["low"]}, 3 * (one + other))

    assert Counter(family for family, _ in taken) == {"orders": 3 * one, "returns": 3 * other}


@given(st.lists(some_classes, min_size=1, max_size=50))
def test_strict_order_serves_the_highest_that_waits(comings: list[set[Class]]) -> None:
    wheel = Wheel()
    wheel.set({"orders": Weights(strict=True)})

    for classes in comings:
        ((_, cls),) = _take(wheel, {"orders": list(classes)}, 1)
        assert cls == min(classes, key=CLASSES.index)


@settings(max_examples=30)
@given(weights_of_three, weights_of_three)
def test_other_weights_act_at_once(before: Weights, after: Weights) -> None:
    wheel = Wheel()
    wheel.set({"orders": before})
    _take(wheel, {"orders": list(CLASSES)}, 97)

    wheel.set({"orders": after})
    total = after.high + after.normal + after.low
    served = Counter(cls for _, cls in _take(wheel, {"orders": list(CLASSES)}, 20 * total))

    assert all(abs(served[cls] - 20 * after.of(cls)) <= 3 for cls in CLASSES)


def test_a_weight_below_one_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ValueError, match="weight low is 0: give at least 1, or pause the family"):
        Weights(low=0)


def test_asking_changes_nothing() -> None:
    turns: Turns[str] = Turns()

    assert [turns.next({"a": 2, "b": 1}) for _ in range(3)] == ["a", "a", "a"]
