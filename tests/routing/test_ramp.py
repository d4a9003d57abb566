"""The ramp: each rung is waited for, the rate is kept, a rung that fails too much halts the replay."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from routing.ramp import MOST_AT_ONCE, Pace, Standing, next_step
from tests.documents import at

PACE = Pace((1, 10, 100), 5.0, 0.2, 900.0)
FRESH = Standing(rung=0, waiting=50, out=0, done=0, failed=0, oldest_out_at=None, last_out_at=None)


def test_the_first_rung_is_one_row_and_is_waited_for() -> None:
    assert next_step(PACE, FRESH, at(0)).send == 1
    sent = replace(FRESH, waiting=49, out=1, oldest_out_at=at(0), last_out_at=at(0))

    assert next_step(PACE, sent, at(899)).do == "wait"
    assert next_step(PACE, replace(sent, out=0, done=1), at(1)).do == "climb"


def test_a_first_row_that_fails_halts() -> None:
    step = next_step(PACE, replace(FRESH, waiting=49, failed=1, last_out_at=at(0)), at(1))

    assert (step.do, step.why) == ("halt", "1 of the 1 sent in this rung failed, more than 20%")


def test_a_rung_halts_before_it_is_all_sent_once_it_is_lost() -> None:
    second = replace(FRESH, rung=1, done=1, out=0, failed=3, last_out_at=at(0))

    assert next_step(PACE, second, at(1)).do == "halt"
    assert next_step(PACE, replace(second, failed=2), at(1)).do == "send"


def test_what_is_not_through_after_the_patience_counts_as_failed() -> None:
    second = replace(FRESH, rung=1, done=6, out=4, oldest_out_at=at(0), last_out_at=at(0))

    assert next_step(PACE, second, at(899)).do == "wait"
    assert next_step(PACE, second, at(901)).do == "halt"
    assert next_step(PACE, replace(second, done=9, out=1), at(901)).do == "climb"


def test_it_ends_when_nothing_waits_and_nothing_is_out() -> None:
    last = replace(FRESH, rung=2, waiting=0, done=50)

    assert next_step(PACE, last, at(1)).do == "end"
    assert next_step(PACE, replace(FRESH, waiting=0), at(1)).do == "end"


@given(st.floats(0.01, 1_000), st.lists(st.floats(0, 5), max_size=60))
def test_never_more_than_the_rate_and_two_seconds_of_it_go_out(rate_per_s: float, rests_s: list[float]) -> None:
    pace, sent, now_s, last = replace(PACE, ramp=(10**6,), rate_per_s=rate_per_s), 0, 0.0, None
    for rest_s in rests_s:
        now_s += rest_s
        step = next_step(pace, replace(FRESH, waiting=10**6, done=sent, last_out_at=last), at(now_s))
        if step.do == "send":
            assert step.send <= MOST_AT_ONCE
            sent, last = sent + step.send, at(now_s)

    assert sent <= 1 + rate_per_s * now_s + 1e-3


@given(st.integers(1, 300), st.integers(0, 5))
def test_no_rung_sends_more_than_its_size(waiting: int, rung: int) -> None:
    size = PACE.ramp[min(rung, 2)]
    standing, now_s = replace(FRESH, rung=rung, waiting=waiting), 0
    while (step := next_step(PACE, standing, at(now_s))).do in ("send", "wait") and standing.waiting and now_s < 1_000:
        now_s += 1
        left, done = standing.waiting - step.send, standing.done + step.send
        standing = replace(standing, waiting=left, done=done, last_out_at=at(now_s - 1) if step.send else standing.last_out_at)

    assert standing.done == min(size, waiting)
