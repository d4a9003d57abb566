"""Parts and doors, without a broker: how much goes out at once, what a message becomes of its parts, when a lane may go."""

import json
import logging
from typing import Any

import pytest
from amqp import Message as RawMessage
from hypothesis import given
from hypothesis import strategies as st

from adapters.throttle.base import Denied, Limit
from routing import names
from routing.letters import MOST_ROWS
from workers.fetch.delivered import Delivered, Ending
from workers.fetch.lane import Lane
from workers.fetch.parts import AHEAD_S, PART_MOST_S, SLOT_FREE_S, Parts, Rules
from workers.fetch.plan import Gate

LANE = names.lane("erp")
QUEUE = names.queue(names.family("erp", "orders"), "normal")
_log = logging.getLogger(__name__)


class Answers:
    """The channel's port as a message uses it: what was said to the broker."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.said: list[str] = []

    def basic_ack(self, _tag: object, multiple: bool = False) -> None:
        self.said.append("ack")

    def basic_reject(self, _tag: object, requeue: bool = False) -> None:
        self.said.append("requeue" if requeue else "dead-letter")


def _message(rows: int, calls: int = 0, channel: Any = None, first: int = 1, **more: Any) -> Delivered:
    headers = {"id": "m", "task": "deliver", "calls": calls or rows, "operation": "order.create", "argsrepr": "(erp: 1)"}
    headers |= more
    body = json.dumps([[list(range(first, first + rows))], {}, {}])
    raw = RawMessage(body, content_type="application/json", content_encoding="utf-8", application_headers=headers)
    raw.delivery_info = {"delivery_tag": 1, "routing_key": QUEUE, "redelivered": False}
    return Delivered(raw, channel or Answers(), QUEUE, 0.0, 1)


@given(st.integers(1, 50), st.data())
def test_parts_hold_every_row_once_and_each_has_its_own_id(rows: int, data: st.DataObject) -> None:
    message = _message(rows)

    parts = []
    while message.waiting:
        parts.append(message.cut(data.draw(st.integers(1, message.waiting))))

    assert [row for part in parts for row in part.rows] == list(range(1, rows + 1))
    assert len({part.task_id for part in parts}) == len(parts)
    for part in parts:
        assert json.loads(part.body or "") == [[list(part.rows)], {}, {}]
        assert (part.headers["id"], part.payload[0][0]) == (part.task_id, part.rows)
    if len(parts) == 1:
        assert parts[0].task_id == "m"


@given(st.lists(st.sampled_from(list(Ending)), min_size=1, max_size=8))
def test_a_message_is_answered_once_when_all_its_parts_have_ended_and_the_worst_says_how(endings: list[Ending]) -> None:
    answers = Answers()
    message = _message(len(endings), channel=answers)
    parts = [message.cut(1) for _ in endings]

    for part, ending in zip(parts[:-1], endings[:-1], strict=True):
        _end(part, ending)
    before = list(answers.said)
    _end(parts[-1], endings[-1])

    assert before == []
    assert answers.said == [{0: "ack", 1: "requeue", 2: "dead-letter"}[max(endings)]]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=8), st.sampled_from(list(Ending)), st.data())
def test_a_part_gathered_of_several_messages_holds_their_rows_in_order_and_answers_for_each(
    sizes: list[int], ending: Ending, data: st.DataObject
) -> None:
    channels = [Answers() for _ in sizes]
    starts = [1 + sum(sizes[:n]) for n in range(len(sizes))]
    messages = [
        _message(size, channel=channel, first=start) for size, channel, start in zip(sizes, channels, starts, strict=True)
    ]
    wanted = data.draw(st.integers(1, sum(sizes)))

    part = messages[0].cut(wanted, messages[1:])
    taken = [len(message.rows) - message.waiting for message in messages]
    _end(part, ending)

    assert list(part.rows) == list(range(1, wanted + 1))
    assert json.loads(part.body or "") == [[list(part.rows)], {}, {}]
    assert sum(taken) == wanted
    # One that was taken whole has its answer. Whose fault a refusal is shows when each runs alone: none of several is dead.
    bad = "requeue" if ending is Ending.AGAIN or len(part.messages) > 1 else "dead-letter"
    for size, many, channel in zip(sizes, taken, channels, strict=True):
        if ending is Ending.DONE:
            assert channel.said == (["ack"] if many == size else [])
        elif many:
            assert channel.said in ([bad], [] if ending is Ending.DEAD and len(part.messages) == 1 else [bad])
        else:
            assert channel.said == []


@pytest.mark.parametrize(
    ("more", "together"),
    [
        ({}, True),
        ({"id": "another", "calls": 7, "since": 5}, True),
        ({"operation": "order.update"}, False),
        ({"traceparent": "00-1-1-01"}, False),
        ({"expires": "2030-01-01T00:00:00+00:00"}, False),
        ({"x-delivery-count": 1}, False),
    ],
)
def test_only_rows_of_fresh_messages_for_the_same_work_go_out_together(more: dict[str, Any], together: bool) -> None:
    head, other = _message(2), _message(2, **more)

    assert head.goes_with(other) is together
    assert other.goes_with(head) is together


def _end(part: Any, ending: Ending) -> None:
    if ending is Ending.DONE:
        part.ack_log_error(_log, ())
    else:
        part.reject_log_error(_log, (), requeue=ending is Ending.AGAIN)


def test_nothing_more_is_handed_out_of_a_message_that_goes_back_and_it_waits_for_what_runs() -> None:
    message = _message(5)
    running = message.cut(2)
    given_back: list[Delivered] = []

    message.give_back(given_back.append)
    waits = (message.waiting, list(given_back))
    _end(running, Ending.DONE)

    assert waits == (0, [])
    assert given_back == [message]
    assert (message.left, message.clean) == ([3, 4, 5], True)


def test_a_message_whose_part_is_to_be_run_again_goes_back_whole() -> None:
    answers = Answers()
    message = _message(5, channel=answers)
    first, second = message.cut(1), message.cut(1)

    _end(first, Ending.AGAIN)
    handed_out = message.waiting
    _end(second, Ending.DONE)

    assert (handed_out, answers.said, message.clean) == (0, ["requeue"], False)


@pytest.mark.parametrize(
    ("slots", "concurrency", "part_s"),
    [(1, None, SLOT_FREE_S), (4, None, 4 * SLOT_FREE_S), (10, 3, 3 * SLOT_FREE_S), (1000, None, PART_MOST_S)],
)
def test_without_a_rate_parts_are_as_large_as_lets_one_of_the_slots_come_free_soon(
    slots: int, concurrency: int | None, part_s: float
) -> None:
    row_s = 0.021
    parts = Parts({LANE: Rules(50, SLOT_FREE_S, Limit(concurrency=concurrency))})
    message = _message(50)

    first = parts.rows(LANE, message, slots)
    for _ in range(30):
        parts.ended(LANE, message, 10, 10 * row_s)

    assert first == 1
    assert parts.rows(LANE, message, slots) == max(1, int(part_s / row_s))
    assert parts.calls(LANE, message, 10) == 10


@pytest.mark.parametrize(("on_threads", "free_s"), [(True, 0.25), (False, 0.1)])
def test_parts_that_prepare_are_larger_on_threads_where_class_high_has_a_slot_of_its_own(on_threads: bool, free_s: float) -> None:
    row_s, slots = 0.006, 2
    parts = Parts({}, on_threads=on_threads)
    message = _message(MOST_ROWS)

    for _ in range(30):
        parts.ended("orders", message, 10, 10 * row_s)

    assert parts.rows("orders", message, slots) == int(slots * free_s / row_s)


def test_a_part_takes_no_more_than_the_bundle_the_rate_and_what_waits() -> None:
    parts = Parts({LANE: Rules(8, SLOT_FREE_S, Limit(rate_per_s=50)), "deliver.free": Rules(8, SLOT_FREE_S)})
    message = _message(50, calls=100)
    for lane in (LANE, "deliver.free"):
        parts.ended(lane, message, 10, 0.001)

    assert (parts.rows(LANE, message, 4), parts.calls(LANE, message, 1)) == (1, 1)
    assert parts.rows("deliver.free", message, 4) == 8
    message.cut(45)
    assert parts.rows("deliver.free", message, 4) == 5


def test_a_message_that_is_done_already_is_looked_through_by_larger_and_larger_parts_until_one_has_work() -> None:
    parts = Parts({LANE: Rules(50, SLOT_FREE_S, Limit(rate_per_s=50))})
    message, other = _message(50), _message(50)
    parts.ended(LANE, message, 1, 0.1)

    sizes = []
    for _ in range(5):
        parts.ended(LANE, message, 1, 0.001, idle=True)
        sizes.append(parts.rows(LANE, message, 4))
    others = parts.rows(LANE, other, 4)
    parts.ended(LANE, message, 8, 0.8)

    assert sizes == [2, 4, 8, 8, 8]
    assert parts.calls(LANE, message, 8) == 1
    assert others == parts.rows(LANE, message, 4) == 1


def test_parts_without_work_say_nothing_of_what_a_row_takes() -> None:
    parts = Parts({LANE: Rules(50, SLOT_FREE_S, Limit())})
    message = _message(50)
    for _ in range(30):
        parts.ended(LANE, message, 1, 0.1)
    before = parts.rows(LANE, message, 1)

    parts.ended(LANE, message, 50, 0.001, idle=True)

    assert parts.rows(LANE, _message(50), 1) == before == 1


def test_the_limit_of_the_plan_and_of_an_operation_bound_a_part() -> None:
    inner = Limit(rate_per_s=3 / AHEAD_S)
    parts = Parts({LANE: Rules(50, SLOT_FREE_S, Limit(operations={"order.create": inner}))})
    message = _message(50)
    parts.ended(LANE, message, 10, 0.001)
    by_operation = parts.rows(LANE, message, 4)

    parts.follow({"erp": Limit(rate_per_s=2 / AHEAD_S)})

    assert (by_operation, parts.rows(LANE, message, 4)) == (3, 2)


def test_a_batch_call_carries_what_it_may_and_asks_for_one_call() -> None:
    parts = Parts({LANE: Rules(8, SLOT_FREE_S, Limit(rate_per_s=5), batch_of={"order.create": 40}.__getitem__)})
    message = _message(50)

    assert (parts.rows(LANE, message, 4), parts.calls(LANE, message, 40)) == (40, 1)


def test_a_refusal_for_one_operation_closes_that_one_only() -> None:
    lane = Lane(LANE, "erp")

    lane.denied(Denied(30, "breaker: order.create", "order.create"), "order.create", 100.0)

    assert lane.open(101.0)
    assert not lane.allows("order.create", 129.0)
    assert lane.allows("order.cancel", 101.0)
    assert (lane.reopens(101.0), lane.allows("order.create", 130.0)) == (130.0, True)
    assert not lane.long_closed(101.0, 60.0)


def test_a_lane_looks_again_exactly_when_the_limiter_said() -> None:
    lane = Lane(LANE, "erp")

    lane.denied(Denied(0.0173, "rate"), "order.create", 100.0)

    assert lane.reopens(100.0) == pytest.approx(100.0173)
    assert (lane.open(100.017), lane.open(100.0174)) == (False, True)


def test_the_end_of_our_own_work_opens_a_lane_that_lacks_a_lease() -> None:
    lane = Lane(LANE, "erp")
    lane.denied(Denied(5.0, "concurrency"), "order.create", 100.0)
    before = lane.open(100.01)

    lane.lease_back()

    assert (before, lane.open(100.01)) == (False, True)


@pytest.mark.parametrize(
    ("gate", "open_now", "scale"),
    [
        (Gate(), True, 1.0),
        (Gate(scale=0.25), True, 0.25),
        (Gate(scale=0.0), False, 1.0),
        (Gate(closed_s=5.0), False, 1.0),
        (Gate(most_at_once=1), True, 1.0),
    ],
)
def test_a_gate_closes_narrows_or_lets_go(gate: Gate, open_now: bool, scale: float) -> None:
    lane = Lane(LANE, "erp")

    lane.follow(paused=False, gate=gate, now=100.0)

    assert (lane.open(100.0), lane.scale) == (open_now, scale)
    assert lane.open(106.0) is (gate.scale > 0)


def test_a_canary_lets_one_part_run_at_a_time() -> None:
    lane = Lane(LANE, "erp")
    lane.follow(paused=False, gate=Gate(most_at_once=1), now=100.0)

    lane.running.add(part := _message(2).cut(1))
    while_one_runs = lane.open(100.0)
    lane.running.discard(part)

    assert (while_one_runs, lane.open(100.0)) == (False, True)


@pytest.mark.parametrize("wrong", [{"scale": 1.5}, {"scale": -0.1}, {"most_at_once": 0}, {"closed_s": -1.0}])
def test_a_gate_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        Gate(**wrong)
