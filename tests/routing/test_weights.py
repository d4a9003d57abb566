"""Turns: in proportion to weights and shares, never starved, aged heads in time, and anew as soon as something else is set."""

from collections import Counter
from collections.abc import Iterable
from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import names
from routing.names import CLASSES, Class
from routing.weights import Turn, Turns, Waiting, Weights, Wheel

weight = st.integers(1, 40)
weights_of_three = st.builds(Weights, high=weight, normal=weight, low=weight)
some_classes = st.sets(st.sampled_from(CLASSES), min_size=1)

LANE = names.lane("erp")
DOMAINS = ("orders", "shipments", "returns")
ORDERS, SHIPMENTS, RETURNS = names.families_of(LANE, DOMAINS)
three_shares = st.fixed_dictionaries(dict.fromkeys(DOMAINS, weight))
costs = st.integers(1, 50)


@given(weights_of_three, three_shares, some_classes, st.sets(st.sampled_from((ORDERS, SHIPMENTS, RETURNS)), min_size=1))
def test_the_portion_of_a_turn_is_its_weight_and_share_over_the_greatest_that_waits(
    weights: Weights, shares: dict[str, int], classes: set[Class], families: set[str]
) -> None:
    wheel = Wheel()
    wheel.set({LANE: weights}, {LANE: shares})
    waiting = {family: _fresh(classes) for family in families}
    share_of = {family: shares[names.domain_of(family)] for family in families}

    portions = {(f, cls): wheel.portion(Turn(f, cls), waiting) for f in families for cls in classes}

    assert max(portions.values()) == 1
    for (family, cls), portion in portions.items():
        by_class = weights.of(cls) / max(weights.of(one) for one in classes)
        assert portion == pytest.approx(share_of[family] / max(share_of.values()) * by_class)


def _fresh(classes: Iterable[Class]) -> dict[Class, float]:
    return dict.fromkeys(classes, 0.0)


def _take(wheel: Wheel, waiting: Waiting, turns: int) -> list[tuple[str, Class]]:
    taken = []
    for _ in range(turns):
        turn = wheel.next(waiting)
        assert turn is not None
        wheel.serve(turn)
        taken.append((turn.family, turn.cls))
    return taken


@given(weights_of_three, some_classes, st.integers(1, 5))
def test_classes_with_work_are_served_in_proportion_to_their_weights(weights: Weights, classes: set[Class], rounds: int) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    total = sum(weights.of(cls) for cls in classes)

    served = Counter(cls for _, cls in _take(wheel, {"orders": _fresh(classes)}, rounds * total))

    assert served == {cls: rounds * weights.of(cls) for cls in classes}


@given(weights_of_three, st.integers(1, 300))
def test_no_prefix_of_the_order_is_far_from_the_proportions(weights: Weights, turns: int) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    total = weights.high + weights.normal + weights.low

    served = Counter(cls for _, cls in _take(wheel, {"orders": _fresh(CLASSES)}, turns))

    assert all(abs(served[cls] - turns * weights.of(cls) / total) < len(CLASSES) for cls in CLASSES)


@settings(max_examples=30, deadline=None)
@given(weights_of_three, st.lists(some_classes, min_size=50, max_size=100))
def test_low_is_never_starved_whatever_comes_and_goes_beside_it(weights: Weights, comings: list[set[Class]]) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    longest = since = 0

    for classes in islice(cycle(comings), 400):
        ((_, cls),) = _take(wheel, {"orders": _fresh(cls for cls in CLASSES if cls in classes or cls == "low")}, 1)
        since = 0 if cls == "low" else since + 1
        longest = max(longest, since)

    assert longest <= 2 * (weights.high + weights.normal + weights.low)


@given(weights_of_three, some_classes)
def test_something_is_served_whenever_something_waits(weights: Weights, classes: set[Class]) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})

    turn = wheel.next({"orders": _fresh(classes), "returns": {}})

    assert turn is not None
    assert turn.cls in classes
    assert wheel.next({"orders": {}}) is None


@settings(max_examples=30, deadline=None)
@given(weights_of_three)
def test_the_share_of_an_idle_class_is_lent_out_and_not_claimed_back_in_a_burst(weights: Weights) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})
    total = weights.high + weights.low

    lent = _take(wheel, {"orders": {"low": 0.0}}, 500)
    after = Counter(cls for _, cls in _take(wheel, {"orders": _fresh(("high", "low"))}, total))

    assert len(lent) == 500
    assert abs(after["high"] - weights.high) <= max(1, weights.high // weights.low)


@settings(max_examples=30, deadline=None)
@given(weights_of_three, st.lists(costs, min_size=1, max_size=60), st.sampled_from(["normal", "low"]))
def test_what_comes_into_an_idle_high_class_is_next_whatever_the_others_cost(
    weights: Weights, parts: list[int], cls: Class
) -> None:
    wheel = Wheel()
    wheel.set({ORDERS: weights, LANE: weights})
    for cost in parts:
        wheel.serve(Turn(ORDERS, cls), cost)

    assert wheel.next({ORDERS: _fresh(CLASSES)}) == Turn(ORDERS, "high")


@settings(max_examples=50, deadline=None)
@given(three_shares, st.lists(costs, min_size=1, max_size=30))
def test_domains_share_the_calls_of_a_lane_whatever_a_part_costs(shares: dict[str, int], parts: list[int]) -> None:
    wheel = Wheel()
    wheel.set({}, {LANE: shares})
    calls: Counter[str] = Counter()

    for cost in islice(cycle(parts), 1_000):
        turn = wheel.next({family: {"normal": 0.0} for family in (ORDERS, SHIPMENTS, RETURNS)})
        assert turn is not None
        wheel.serve(turn, cost)
        calls[names.domain_of(turn.family)] += cost

    each = {domain: calls[domain] / shares[domain] for domain in DOMAINS}
    # Fair queueing: the service per share of two that wait differs by one part of each at most.
    assert max(each.values()) - min(each.values()) <= 2 * max(50 / share for share in shares.values())


@given(three_shares)
def test_the_share_of_an_idle_domain_is_lent_to_the_others(shares: dict[str, int]) -> None:
    wheel = Wheel()
    wheel.set({}, {LANE: shares})

    taken = _take(wheel, {ORDERS: {}, SHIPMENTS: {"low": 0.0}, RETURNS: {"high": 0.0}}, shares["shipments"] + shares["returns"])

    assert Counter(family for family, _ in taken) == {SHIPMENTS: shares["shipments"], RETURNS: shares["returns"]}


def test_other_shares_act_at_once() -> None:
    wheel = Wheel()
    waiting: Waiting = {ORDERS: {"normal": 0.0}, RETURNS: {"normal": 0.0}}
    wheel.set({}, {LANE: {"orders": 40, "returns": 1}})
    _take(wheel, waiting, 97)

    wheel.set({}, {LANE: {"orders": 1, "returns": 40}})

    assert Counter(family for family, _ in _take(wheel, waiting, 41)) == {ORDERS: 1, RETURNS: 40}


@given(st.lists(some_classes, min_size=1, max_size=50))
def test_strict_order_serves_the_highest_that_waits(comings: list[set[Class]]) -> None:
    wheel = Wheel()
    wheel.set({"orders": Weights(strict=True)})

    for classes in comings:
        ((_, cls),) = _take(wheel, {"orders": _fresh(classes)}, 1)
        assert cls == min(classes, key=CLASSES.index)


@settings(max_examples=30, deadline=None)
@given(weights_of_three, weights_of_three)
def test_other_weights_act_at_once(before: Weights, after: Weights) -> None:
    wheel = Wheel()
    wheel.set({"orders": before})
    _take(wheel, {"orders": _fresh(CLASSES)}, 97)

    wheel.set({"orders": after})
    total = after.high + after.normal + after.low
    served = Counter(cls for _, cls in _take(wheel, {"orders": _fresh(CLASSES)}, 20 * total))

    assert all(abs(served[cls] - 20 * after.of(cls)) <= 3 for cls in CLASSES)


def test_a_lane_with_much_running_waits_for_the_one_with_little() -> None:
    wheel = Wheel()
    waiting: Waiting = {ORDERS: {"high": 0.0}, "orders": {"low": 0.0}}

    turns = [wheel.next(waiting, {LANE: 9, "orders": busy}) for busy in (0, 8, 10)]

    assert [turn.family for turn in turns if turn] == ["orders", "orders", ORDERS]


class Standing:
    """Classes of one family as queues of rows: each row is the moment it was accepted, one turn serves one row."""

    def __init__(self, weights: Weights) -> None:
        self.now = 0.0
        self.rows: dict[Class, list[float]] = {cls: [] for cls in CLASSES}
        self._wheel = Wheel()
        self._wheel.set({"orders": weights})

    def serve(self) -> tuple[Class, float] | None:
        """One turn of one second: the class served and how long its head waited."""
        waiting = {cls: self.now - rows[0] for cls, rows in self.rows.items() if rows}
        turn = self._wheel.next({"orders": waiting})
        self.now += 1
        if turn is None:
            return None
        self._wheel.serve(turn)
        return turn.cls, self.now - self.rows[turn.cls].pop(0)


@settings(max_examples=60, deadline=None)
@given(
    weights_of_three,
    st.booleans(),
    st.integers(1, 60),
    st.lists(st.lists(st.sampled_from(CLASSES), max_size=3), min_size=50, max_size=200),
)
def test_no_row_waits_longer_than_its_age_limit_and_two_turns_for_each_older_row(
    weights: Weights, strict: bool, aged_after_s: int, comings: list[list[Class]]
) -> None:
    standing = Standing(Weights(weights.high, weights.normal, weights.low, strict, aged_after_s))
    older_than: dict[float, int] = {}

    while any(standing.rows.values()) or comings:
        arrivals = comings.pop() if comings else []
        for number, cls in enumerate(arrivals):
            accepted = standing.now + number / 10
            older_than[accepted] = sum(len(rows) for rows in standing.rows.values())
            standing.rows[cls].append(accepted)
        before = {cls: rows[0] for cls, rows in standing.rows.items() if rows}
        served = standing.serve()
        if served is not None:
            cls, waited_s = served
            assert waited_s <= aged_after_s + 2 * (older_than[before[cls]] + 1) + 1


@settings(max_examples=30, deadline=None)
@given(weights_of_three, st.integers(1, 400))
def test_an_aged_head_has_every_second_turn_and_no_more_than_its_weight_beyond(weights: Weights, turns: int) -> None:
    wheel = Wheel()
    wheel.set({"orders": weights})

    aged = []
    for _ in range(turns):
        turn = wheel.next({"orders": {"high": 1.0, "low": weights.aged_after_s}})
        assert turn is not None
        wheel.serve(turn)
        aged.append(turn.aged)

    assert aged == [number % 2 == 0 for number in range(turns)]


def test_of_two_aged_heads_the_older_is_served() -> None:
    wheel = Wheel()
    wheel.set({"orders": Weights(aged_after_s=10)})

    turn = wheel.next({"orders": {"high": 11.0, "normal": 30.0, "low": 20.0}})

    assert turn == Turn("orders", "normal", aged=True)


def test_a_weight_below_one_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ValueError, match="weight low is 0: give at least 1, or pause the lane"):
        Weights(low=0)


def test_an_age_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="aged_after_s is 0"):
        Weights(aged_after_s=0)


def test_asking_changes_nothing() -> None:
    turns: Turns[str] = Turns()

    assert [turns.next(["a", "b"]) for _ in range(3)] == ["a", "a", "a"]
