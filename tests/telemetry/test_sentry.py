"""What really leaves for Sentry, as a local endpoint records it: type, stack and ids, and no customer's data."""

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import sentry_sdk

from telemetry import Name, bind, emit, sentry
from tests.telemetry.endpoint import Recorder, recording

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

# Put together at run time, so that the quoted source lines of this file cannot be mistaken for a leak.
NAME = "Jane" + "Quill" + "Canary"
EMAIL = f"{NAME}@shop.example.com".lower()
PHONE = "+49" + "170" + "5550199"
CARD = "4111" + "1111" * 3
TOKEN = "whsec_" + "Zm9vYmFyYmF6" * 3
CANARIES = (NAME, EMAIL, PHONE, CARD, TOKEN)


class CrossReferenceMissingError(Exception):
    """An error of ours whose text is made of codes."""


@pytest.fixture
def endpoint() -> Iterator[Recorder]:
    with recording() as recorder:
        sentry.start(
            f"http://public@127.0.0.1:{recorder.port}/1",
            release="1.2.3",
            environment="test",
            reportable=frozenset({CrossReferenceMissingError}),
        )
        yield recorder
        sentry.stop()
        sentry_sdk.init()


def sent(endpoint: Recorder) -> list[dict[str, object]]:
    sentry_sdk.flush(timeout=5)
    assert_no_canary(endpoint)
    payloads = []
    for body in endpoint.bodies:
        lines = body.decode().splitlines()
        payloads += [json.loads(line) for line in lines[2::2]]
    return payloads


def assert_no_canary(endpoint: Recorder) -> None:
    everything = b"\n".join(endpoint.bodies).decode().lower()
    for canary in CANARIES:
        assert canary.lower() not in everything


def post_order(customer: str) -> None:
    address = {"name": NAME, "email": customer, "card": CARD}
    try:
        raise KeyError(f"no customer {address}")  # noqa: TRY301 - a chain is what is tested
    except KeyError as cause:
        raise ValueError(f"{NAME} at {customer}, {PHONE}, {CARD}, {TOKEN}") from cause


def fail_and_emit() -> None:
    try:
        post_order(EMAIL)
    except ValueError as error:
        emit(Name.STEP_RUN_FAILED, error=error, operation="order.post", reason=f"failed for {EMAIL}", customer=NAME)


def exceptions(payload: dict[str, object]) -> list[dict[str, object]]:
    found = payload["exception"]
    assert isinstance(found, dict)
    values = found["values"]
    assert isinstance(values, list)
    return values


def test_type_stack_and_correlation_id_arrive_and_the_customer_does_not(endpoint: Recorder) -> None:
    with bind(correlation_id="0af7651916cd43dd8448eb211c80319c", delivery_id=7):
        fail_and_emit()

    [payload] = sent(endpoint)
    cause, error = exceptions(payload)
    assert (cause["type"], error["type"]) == ("KeyError", "ValueError")
    assert (cause["value"], error["value"]) == ("[withheld]", "[withheld]")
    stack = error["stacktrace"]
    assert isinstance(stack, dict)
    last = stack["frames"][-1]
    assert last["function"] == "post_order"
    assert last["filename"].endswith("test_sentry.py")
    assert last["lineno"] == post_order.__code__.co_firstlineno + 5
    assert "vars" not in last
    tags = payload["tags"]
    assert isinstance(tags, dict)
    assert tags["correlation_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert tags["delivery_id"] == "7"
    assert tags["event"] == "step.run.failed"
    assert tags["reason"] == "failed for [masked]"
    assert (payload["release"], payload["environment"]) == ("1.2.3", "test")


def test_what_careless_code_hangs_on_the_scope_stays_here(endpoint: Recorder) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.set_user({"id": EMAIL, "email": EMAIL, "username": NAME})
        scope.set_extra("payload", {"customer": NAME, "phone": PHONE})
        scope.set_context("request", {"headers": {"Authorization": TOKEN}, "cookies": NAME, "data": CARD})
        scope.set_context("order", {"email": EMAIL})
        scope.set_tag("customer", NAME)
        scope.set_tag("event", NAME)
        scope.set_transaction_name(f"/in/{NAME}")
        scope.add_attachment(bytes=NAME.encode(), filename=f"{NAME}.json")
        scope.add_event_processor(with_request)
        sentry_sdk.add_breadcrumb(category="httplib", message=f"POST {EMAIL}", data={"body": NAME})
        sentry_sdk.add_breadcrumb(category=Name.DELIVERY_POST_STOP.value, message=NAME, data={"customer": NAME})
        fail_and_emit()

    [payload] = sent(endpoint)
    assert set(payload) <= {
        "event_id", "timestamp", "level", "platform", "release", "environment", "server_name", "sdk",
        "exception", "breadcrumbs", "tags", "contexts",
    }  # fmt: skip


def with_request(event: "Event", hint: "Hint") -> "Event":
    event["request"] = {"url": f"https://shop/{NAME}", "data": {"card": CARD}, "headers": {"Cookie": TOKEN}, "env": NAME}
    event["logentry"] = {"message": NAME, "params": [EMAIL]}
    return event


def test_breadcrumbs_are_the_events_before_with_their_allowed_fields(endpoint: Recorder) -> None:
    emit(Name.EVENT_ACCEPT_DONE, source="shopify-eu", topic="orders/create", customer=NAME)
    emit(Name.LANE_THROTTLE_PAUSED, target="netsuite", wait_s=3.0, reason=f"call {PHONE}")
    fail_and_emit()

    [payload] = sent(endpoint)
    crumbs = payload["breadcrumbs"]
    assert isinstance(crumbs, dict)
    assert [(crumb["category"], crumb["data"]) for crumb in crumbs["values"][-2:]] == [
        ("event.accept.done", {"source": "shopify-eu", "topic": "orders/create"}),
        ("lane.throttle.paused", {"target": "netsuite", "wait_s": 3.0, "reason": "call [masked]"}),
    ]


def test_the_text_of_a_class_declared_reportable_is_sent_masked(endpoint: Recorder) -> None:
    emit(
        Name.STEP_RUN_FAILED,
        error=CrossReferenceMissingError(f"SKU RED-L of shopify-eu has no item; asked by {EMAIL}"),
    )

    [payload] = sent(endpoint)
    assert exceptions(payload)[0]["value"] == "SKU RED-L of shopify-eu has no item; asked by [masked]"


def test_a_system_error_keeps_its_number(endpoint: Recorder) -> None:
    try:
        raise FileNotFoundError(2, NAME, f"/inbox/{EMAIL}.csv")
    except OSError as error:
        emit(Name.LEDGER_WRITE_FAILED, error=error)

    [payload] = sent(endpoint)
    assert exceptions(payload)[0]["value"] == "[Errno 2] [withheld]"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_nobody_caught_in_a_thread_is_reported_too(endpoint: Recorder) -> None:
    thread = threading.Thread(target=post_order, args=(EMAIL,))
    thread.start()
    thread.join(5)

    [payload] = sent(endpoint)
    assert exceptions(payload)[-1]["type"] == "ValueError"


def test_traces_and_messages_do_not_leave(endpoint: Recorder) -> None:
    with sentry_sdk.start_transaction(name=NAME, op=EMAIL):
        sentry_sdk.capture_message(f"about {NAME}")

    assert sent(endpoint) == []


def test_the_client_itself_collects_no_personal_data_and_no_variables(endpoint: Recorder) -> None:
    client = sentry_sdk.get_client()

    assert client.should_send_default_pii() is False
    assert client.options["include_local_variables"] is False
    assert set(client.integrations) == {"atexit", "dedupe", "excepthook", "threading"}


def test_an_expected_failure_is_no_report(endpoint: Recorder) -> None:
    emit(Name.DELIVERY_RETRY_SCHEDULED, error=TimeoutError(), target="netsuite")

    assert sent(endpoint) == []
