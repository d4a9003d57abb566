"""The log: one JSON line per event on the stream given, stdlib logging through the same masks, stdout never."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from telemetry import Name, bind, bus, emit, logs

CANARY = "jane.canary@example.com"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield io.StringIO()
    bus.detach("logs")
    root.handlers[:], level = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def raise_with_customer() -> None:
    try:
        raise KeyError(CANARY)  # noqa: TRY301 - a chain is what the test needs
    except KeyError as cause:
        raise ValueError(f"no customer Jane Canary ({CANARY})") from cause


def test_an_event_is_one_json_line_with_its_fields(stream: io.StringIO) -> None:
    logs.configure("info", json=True, stream=stream)

    with bind(correlation_id="c1"):
        emit(Name.DELIVERY_POST_STOP, target="netsuite", cls="high", outcome="done", duration_s=0.1)

    [line] = lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "delivery.post.stop",
        "level": "info",
        "correlation_id": "c1",
        "target": "netsuite",
        "class": "high",
        "outcome": "done",
        "duration_s": 0.1,
    }


def test_levels_follow_the_event(stream: io.StringIO) -> None:
    logs.configure("warning", json=True, stream=stream)

    emit(Name.EVENT_ACCEPT_DONE)
    emit(Name.DELIVERY_PARK_DONE)
    emit(Name.LEDGER_WRITE_FAILED)

    assert [line["level"] for line in lines(stream)] == ["warning", "error"]


def test_an_error_is_told_by_type_and_place_never_by_its_text(stream: io.StringIO) -> None:
    logs.configure("info", json=True, stream=stream)

    try:
        raise_with_customer()
    except ValueError as error:
        emit(Name.STEP_RUN_FAILED, error=error)

    assert "anary" not in stream.getvalue()
    [line] = lines(stream)
    errors = line["errors"]
    assert isinstance(errors, list)
    assert [error["type"] for error in errors] == ["ValueError", "KeyError"]
    assert "telemetry/test_logs.py:" in errors[0]["frames"][-1]
    assert errors[0]["frames"][-1].endswith(" raise_with_customer")


def test_standard_logging_goes_through_the_same_masks(stream: io.StringIO) -> None:
    logs.configure("info", json=True, stream=stream)

    logging.getLogger("kombu.connection").info("connected to %s for %s", "amqp://u:hunter2@broker:5672/v", CANARY)

    assert "hunter2" not in stream.getvalue()
    assert CANARY not in stream.getvalue()
    [line] = lines(stream)
    assert line["logger"] == "kombu.connection"
    assert line["detail"] == "connected to amqp://broker:5672/v for [masked]"


def test_what_celery_says_of_a_failed_task_holds_no_argument_result_or_error_text(stream: io.StringIO) -> None:
    logs.configure("info", json=True, stream=stream)
    context = {"name": "deliver", "id": "7f", "exc": "ValueError('Jane Canary')", "traceback": "by Jane Canary"}

    try:
        raise_with_customer()
    except ValueError:
        logging.getLogger("celery.app.trace").exception(
            "Task %(name)s[%(id)s] raised unexpected: %(exc)s\n%(traceback)s", context
        )

    assert "anary" not in stream.getvalue()
    [line] = lines(stream)
    assert line["detail"] == "Task deliver[7f] raised unexpected: [str withheld] [str withheld]"


def test_an_exception_text_written_into_the_message_is_withheld(stream: io.StringIO) -> None:
    logs.configure("info", json=True, stream=stream)

    try:
        raise_with_customer()
    except ValueError as error:
        logging.getLogger("celery").exception(f"it broke: {error}")  # noqa: G004, TRY401 - what careless code does
        logging.getLogger("celery").exception("it broke: %r and %s", error, "Jane Canary")  # noqa: TRY401 - as above
        logging.getLogger("celery").error("it broke: %r", error)  # noqa: TRY400 - no stack wanted

    assert "anary" not in stream.getvalue()
    assert lines(stream)[2]["detail"] == "it broke: [ValueError withheld]"


def test_a_record_that_does_not_format_is_still_written(stream: io.StringIO) -> None:
    logs.configure("info", json=True, stream=stream)

    logging.getLogger("celery").warning("%d orders", CANARY)

    assert lines(stream)[0]["detail"] == "%d orders [withheld]"


def test_libraries_are_heard_from_warning_on(stream: io.StringIO) -> None:
    logs.configure("debug", json=True, stream=stream)

    logging.getLogger("httpx2").info("POST with a body")
    logging.getLogger("httpx2").warning("pool is full")

    assert [line["detail"] for line in lines(stream)] == ["pool is full"]


def test_the_console_form_is_for_people(stream: io.StringIO) -> None:
    logs.configure("info", json=False, stream=stream)

    emit(Name.EVENT_REFUSE_DONE, source="shopify-eu", status=401)

    assert "event.refuse.done" in stream.getvalue()
    assert "status=401" in stream.getvalue()


def test_nothing_goes_to_stdout_and_the_default_is_json_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    logs.configure("info")

    emit(Name.WORKER_START_DONE, role="relay")
    bus.detach("logs")
    root.handlers[:], level = before
    root.setLevel(level)

    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["role"] == "relay"


def test_configured_twice_every_event_is_one_line(stream: io.StringIO) -> None:
    logs.configure("info", json=True, stream=stream)
    logs.configure("info", json=True, stream=stream)

    emit(Name.WORKER_START_DONE)
    logging.getLogger("celery").info("ready")

    assert len(lines(stream)) == 2
