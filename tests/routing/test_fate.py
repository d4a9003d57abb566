"""Fates: five failures, five ends, and a doubt is never forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.failure import FailureClass
from canonical.outcome import AlreadyDone, Conflict, Done, Outcome, Rejected, Throttled, Unavailable, Uncertain
from routing.fate import Rules, fate_of

RULES = Rules(max_attempts=5, first_retry_s=2.0, longest_retry_s=60.0, max_execution_s=900.0)
waits = st.one_of(st.none(), st.floats(min_value=0, max_value=10_000))
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Done, st.text()),
    st.builds(AlreadyDone, st.text()),
    st.builds(Throttled, st.text(), waits),
    st.builds(Unavailable, st.text(), waits),
    st.builds(Rejected, st.text(), st.text(), st.text()),
    st.builds(Conflict, st.text()),
    st.builds(Uncertain, st.text()),
)


def middle() -> float:
    return 0.5


def test_a_throttle_answer_costs_no_attempt_and_pauses_the_lane() -> None:
    fate = fate_of(Throttled("429", 7.0), 3, uncertain=False, rules=RULES, draw=middle)

    assert (fate.state, fate.attempts, fate.pause_s, fate.stop) == ("retrying", 3, 7.0, True)


def test_a_throttle_answer_without_a_wait_leaves_the_lanes_pause_to_the_limiter() -> None:
    fate = fate_of(Throttled("429"), 3, uncertain=False, rules=RULES, draw=middle)

    assert (fate.state, fate.attempts, fate.pause_s, fate.stop) == ("retrying", 3, None, True)


def test_our_own_limiters_refusal_stops_the_part_and_not_the_lane() -> None:
    fate = fate_of(Throttled("no call free", 7.0, own=True), 3, uncertain=False, rules=RULES, draw=middle)

    assert (fate.attempts, fate.wait_s, fate.pause_s, fate.stop) == (3, 7.0, None, True)


@pytest.mark.parametrize("outcome", [Unavailable("down"), Uncertain("no answer")])
def test_a_probe_that_fails_costs_its_row_no_attempt_however_often(outcome: Outcome) -> None:
    fate = fate_of(outcome, RULES.max_attempts - 1, uncertain=False, rules=RULES, draw=middle, probe=True)

    assert (fate.state, fate.attempts) == ("retrying", RULES.max_attempts - 1)


def test_a_lost_answer_is_looked_up_only_after_the_targets_execution_time() -> None:
    fate = fate_of(Uncertain("reset"), 0, uncertain=False, rules=RULES, draw=middle)

    assert fate.state == "retrying"
    assert fate.uncertain
    assert fate.wait_s >= RULES.max_execution_s


def test_a_rejection_is_parked_at_once_for_a_person() -> None:
    fate = fate_of(Rejected("INVALID_CONTENT", "no such item", "add it"), 0, uncertain=False, rules=RULES, draw=middle)

    assert fate.state == "parked"
    assert fate.failure is not None
    assert fate.failure.cls is FailureClass.REJECTED


def test_the_last_attempt_parks_as_exhausted() -> None:
    fate = fate_of(Unavailable("503"), RULES.max_attempts - 1, uncertain=True, rules=RULES, draw=middle)

    assert fate.state == "parked"
    assert fate.failure is not None
    assert fate.failure.cls is FailureClass.EXHAUSTED
    assert fate.uncertain


@given(outcomes, st.integers(min_value=0, max_value=4), st.booleans(), st.floats(min_value=0, max_value=0.999))
def test_a_doubt_ends_only_with_an_answer_that_ends_it(outcome: Outcome, attempts: int, doubt: bool, drawn: float) -> None:
    fate = fate_of(outcome, attempts, uncertain=doubt, rules=RULES, draw=lambda: drawn)

    if doubt and fate.state == "retrying":
        assert fate.uncertain
    assert fate.wait_s >= 0
    assert (fate.failure is not None) == (fate.state == "parked")
    assert fate.attempts - attempts in (0, 1)
