"""Tracing: one trace from the door to the ERP, carried by a string, silent when switched off or missing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from telemetry import Name, bind, bus, continue_from, current_traceparent, emit, otel
from telemetry.spans import MOST_UNDER_WAY, Spans
from telemetry.trace import follow_orders, of_order, trace_id_of_order
from tests.telemetry.endpoint import recording

ROOT = Path(__file__).parents[2]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    bus.attach("otel", Spans(provider).hear)
    yield exporter
    bus.detach("otel")
    follow_orders(False)
    provider.shutdown()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_one_trace_leads_from_the_webhook_to_the_erp(exported: InMemorySpanExporter) -> None:
    with continue_from(None), bind(correlation_id="c1"):
        emit(Name.EVENT_ACCEPT_START, source="shopify-eu")
        carried = current_traceparent()
        emit(Name.EVENT_ACCEPT_DONE, source="shopify-eu", result="accepted", duration_s=0.01)
    with continue_from(carried), bind(correlation_id="c1"):
        emit(Name.DELIVERY_POST_START, target="netsuite", delivery_id=7)
        emit(Name.ERP_EXCHANGE_START, target="netsuite", method="POST")
        emit(Name.ERP_EXCHANGE_STOP, target="netsuite", status=200, duration_s=0.1)
        emit(Name.DELIVERY_POST_STOP, target="netsuite", outcome="done", duration_s=0.2)

    spans = by_name(exported)
    receive, deliver, request = spans["receive shopify-eu"], spans["deliver netsuite"], spans["request netsuite"]
    assert {span.context.trace_id for span in (receive, deliver, request)} == {receive.context.trace_id}
    assert deliver.parent is not None
    assert deliver.parent.span_id == receive.context.span_id
    assert request.parent is not None
    assert request.parent.span_id == deliver.context.span_id
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["messaging.message.conversation_id"] == "c1"
    assert current_traceparent() is None


def test_the_spans_of_one_order_are_in_one_trace_that_its_name_gives(exported: InMemorySpanExporter) -> None:
    with continue_from(PARENT), of_order("shopify/1001"):
        emit(Name.EVENT_PREPARE_STOP, source="shopify", domain="orders", duration_s=0.01, waited_s=2.0)
    with continue_from(PARENT):
        with of_order("shopify/1001"):
            emit(Name.DELIVERY_POST_START, target="netsuite", delivery_id=7)
        with of_order("shopify/1002"):
            emit(Name.DELIVERY_POST_START, target="netsuite", delivery_id=8)
        with of_order("shopify/1001"):
            emit(Name.DELIVERY_POST_STOP, target="netsuite", delivery_id=7, outcome="done", duration_s=0.2)
        with of_order("shopify/1002"):
            emit(Name.DELIVERY_POST_STOP, target="netsuite", delivery_id=8, outcome="rejected", duration_s=0.2)
    with continue_from(None), of_order("shopify/1001"):
        emit(Name.EVENT_PREPARE_STOP, source="wms", domain="shipments", stage="warehouse_confirmed", age_s=5.0, duration_s=0.01)

    traces: dict[str, list[str]] = {}
    for span in exported.get_finished_spans():
        traces.setdefault(f"{span.context.trace_id:032x}", []).append(span.name)
    assert traces[trace_id_of_order("shopify/1001")] == [
        "told shopify", "process orders", "deliver netsuite", "warehouse_confirmed wms", "process shipments",
    ]  # fmt: skip
    assert traces[trace_id_of_order("shopify/1002")] == ["deliver netsuite"]
    linked = {f"{link.context.trace_id:032x}" for span in exported.get_finished_spans() for link in span.links}
    assert linked == {PARENT.split("-")[1]}


def test_a_row_that_a_batch_left_undone_leaves_no_span_behind(exported: InMemorySpanExporter) -> None:
    for _ in range(2):
        with of_order("shopify/1001"):
            emit(Name.DELIVERY_POST_START, target="netsuite", delivery_id=7)
    with of_order("shopify/1001"):
        emit(Name.DELIVERY_POST_STOP, target="netsuite", delivery_id=7, outcome="done", duration_s=0.2)
    assert len(exported.get_finished_spans()) == 2

    for row in range(MOST_UNDER_WAY + 3):
        with of_order("shopify/1001"):
            emit(Name.DELIVERY_POST_START, target="netsuite", delivery_id=row)

    assert len(exported.get_finished_spans()) == 2 + 3


def test_what_begins_the_trace_of_an_order_stands_at_its_own_time(exported: InMemorySpanExporter) -> None:
    with of_order("shopify/1001"):
        emit(Name.EVENT_PREPARE_STOP, source="wms", domain="shipments", stage="delivered", age_s=3_600.0, duration_s=0.0)

    begun, read = exported.get_finished_spans()
    assert begun.end_time is not None
    assert read.end_time is not None
    assert abs(read.end_time - begun.end_time - 3_600 * 10**9) < 10_000


def test_nobody_steps_into_the_trace_of_an_order_while_none_are_kept() -> None:
    with continue_from(PARENT), of_order("shopify/1001"):
        assert current_traceparent() == PARENT


def test_a_stop_without_a_start_is_a_span_of_its_duration(exported: InMemorySpanExporter) -> None:
    with continue_from(PARENT):
        emit(Name.PUBLISH_BATCH_STOP, queue="orders.high", count=3, duration_s=0.5)

    [span] = exported.get_finished_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    assert abs(span.end_time - span.start_time - 500_000_000) < 10_000
    assert f"{span.context.trace_id:032x}" == PARENT.split("-")[1]


def test_an_error_shows_its_type_and_not_its_text(exported: InMemorySpanExporter) -> None:
    with continue_from(PARENT):
        emit(Name.DELIVERY_POST_START, target="netsuite")
        emit(Name.STEP_RUN_FAILED, error=ValueError("Jane Canary"))

    [span] = exported.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert "Canary" not in span.to_json()


def test_work_never_ended_does_not_adopt_what_comes_later(exported: InMemorySpanExporter) -> None:
    with continue_from(PARENT):
        emit(Name.DELIVERY_POST_START, target="netsuite")
        emit(Name.ERP_EXCHANGE_START, target="netsuite")
        emit(Name.DELIVERY_POST_STOP, target="netsuite", outcome="uncertain")
        after = current_traceparent()

    assert list(by_name(exported)) == ["deliver netsuite"]
    assert after == PARENT


def test_without_tracing_the_senders_trace_is_passed_on_untouched() -> None:
    with continue_from(PARENT):
        emit(Name.DELIVERY_POST_START, target="netsuite")
        inside = current_traceparent()

    assert inside == PARENT


@pytest.mark.parametrize(
    "header",
    ["", "00", PARENT.upper(), PARENT + "-x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", PARENT.replace("00-", "ff-", 1)],
)
def test_a_malformed_header_starts_anew(header: str) -> None:
    with continue_from(PARENT), continue_from(header):
        assert current_traceparent() is None


def test_spans_leave_over_http_when_stopped() -> None:
    with recording() as recorder:
        stop = otel.start(f"http://127.0.0.1:{recorder.port}/v1/traces", service="millrace", version="1", instance="deliver-1")
        emit(Name.PUBLISH_BATCH_STOP, queue="orders.high", count=3, duration_s=0.5)
        stop()

    assert any(b"send orders.high" in body for body in recorder.bodies)


WITHOUT_EXTRA = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from telemetry import Name, emit, otel, current_traceparent
emit(Name.WORKER_START_DONE)
assert current_traceparent() is None
try:
    otel.start("http://collector/v1/traces", service="millrace", version="1", instance="i")
except otel.TracingUnavailableError as error:
    print(error)
"""


def test_without_the_extra_nothing_fails_until_tracing_is_switched_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=30, check=True,
    )  # fmt: skip

    assert "install millrace with its extra `otel`" in done.stdout
