"""The bus: who hears what, with which fields, and what a failing listener does (nothing)."""

import logging
import threading

import pytest

from telemetry import Name, bind, bound, bus, correlation_id, emit, new_correlation_id


def test_a_listener_hears_name_time_and_fields(seen: list[bus.Event]) -> None:
    emit(Name.DELIVERY_POST_STOP, delivery_id=7, target="netsuite", outcome="done", duration_s=0.25)

    [event] = seen
    assert event.name is Name.DELIVERY_POST_STOP
    assert event.at.utcoffset() is not None
    assert event.fields == {"delivery_id": 7, "target": "netsuite", "outcome": "done", "duration_s": 0.25}


def test_emit_with_nobody_listening_does_not_even_look_at_the_fields() -> None:
    class Untouchable:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    emit(Name.DELIVERY_POST_STOP, reason=Untouchable())


def test_a_detached_listener_hears_nothing(seen: list[bus.Event]) -> None:
    bus.detach("test")

    emit(Name.WORKER_START_DONE)

    assert seen == []


def test_an_id_attached_twice_replaces_the_first() -> None:
    first: list[bus.Event] = []
    second: list[bus.Event] = []
    bus.attach("same", first.append)
    bus.attach("same", second.append)

    emit(Name.WORKER_START_DONE)
    bus.detach("same")

    assert (len(first), len(second)) == (0, 1)


def test_a_failing_listener_reaches_nobody_is_counted_and_logged_once(
    seen: list[bus.Event], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: bus.Event) -> None:
        raise ValueError("secret text of jane@example.com")

    bus.attach("broken", broken)
    with caplog.at_level(logging.ERROR):
        emit(Name.WORKER_START_DONE)
        emit(Name.WORKER_STOP_DONE)
    counted = bus.failures()
    bus.detach("broken")

    assert counted == {"broken": 2}
    assert len(caplog.records) == 1
    assert "jane" not in caplog.text
    assert "broken failed with ValueError" in caplog.text
    failed = [event.fields for event in seen if event.name is Name.TELEMETRY_LISTEN_FAILED]
    assert [fields["count"] for fields in failed] == [1, 2]


def test_two_failing_listeners_do_not_echo_each_other_for_ever() -> None:
    def broken(event: bus.Event) -> None:
        raise ValueError

    bus.attach("one", broken)
    bus.attach("two", broken)
    emit(Name.WORKER_START_DONE)
    counted = bus.failures()
    bus.detach("one")
    bus.detach("two")

    assert counted == {"one": 2, "two": 2}


def test_what_is_bound_is_in_everything_emitted_inside_and_nothing_outside(seen: list[bus.Event]) -> None:
    with bind(correlation_id="c1", source="shopify-eu"):
        emit(Name.EVENT_ACCEPT_DONE, topic="orders/create")
        with bind(source="other"):
            emit(Name.EVENT_ACCEPT_DONE, topic="orders/updated")
    emit(Name.EVENT_ACCEPT_DONE)

    assert [dict(event.fields) for event in seen] == [
        {"correlation_id": "c1", "source": "shopify-eu", "topic": "orders/create"},
        {"correlation_id": "c1", "source": "other", "topic": "orders/updated"},
        {},
    ]


def test_a_thread_carries_on_with_what_it_was_handed(seen: list[bus.Event]) -> None:
    def work(handed: dict[str, object]) -> None:
        emit(Name.WORKER_START_DONE)
        with bind(**handed):
            emit(Name.WORKER_STOP_DONE)

    with bind(correlation_id="c1"):
        thread = threading.Thread(target=work, args=(dict(bound()),))
        thread.start()
        thread.join(5)

    assert [event.fields.get("correlation_id") for event in seen] == [None, "c1"]


def test_the_correlation_id_can_be_asked_for() -> None:
    fresh = new_correlation_id()

    with bind(correlation_id=fresh):
        inside = correlation_id()

    assert len(fresh) == 32
    assert inside == fresh
    assert correlation_id() is None


def test_bound_fields_pass_the_same_gate(seen: list[bus.Event]) -> None:
    with bind(customer="Jane Doe", key="jane@example.com"):
        emit(Name.WORKER_START_DONE)

    assert seen[0].fields == {"key": "[masked]"}


def test_a_listener_hears_only_what_it_wants_and_another_one_everything(seen: list[bus.Event]) -> None:
    some: list[bus.Event] = []
    bus.attach("some", some.append, wants={Name.WORKER_STOP_DONE: frozenset({"role"})})

    emit(Name.WORKER_START_DONE, role="relay")
    emit(Name.WORKER_STOP_DONE, role="relay", pid=7)
    bus.detach("some")

    assert [event.name for event in some] == [Name.WORKER_STOP_DONE]
    assert [event.name for event in seen] == [Name.WORKER_START_DONE, Name.WORKER_STOP_DONE]
    assert seen[1].fields == {"role": "relay", "pid": 7}


def test_a_field_that_no_listener_reads_is_not_looked_at_and_an_unknown_one_is_counted() -> None:
    class Untouchable:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    some: list[bus.Event] = []
    bus.attach("some", some.append, wants={Name.WORKER_STOP_DONE: frozenset({"role", "count"})})
    emit(Name.WORKER_STOP_DONE, role="relay", count="not a number", reason=Untouchable(), customer="Jane", nobody=None)
    bus.detach("some")

    [event] = some
    assert event.fields == {"role": "relay"}
    assert event.dropped == 2
