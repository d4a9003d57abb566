"""Metrics: what an event counts, which labels it may have, and how processes share and show them."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from telemetry import Name, bus, emit, metrics
from telemetry.backlog import BacklogSample, backlog_collector

ROOT = Path(__file__).parents[2]


@pytest.fixture
def counted() -> Iterator[metrics.Metrics]:
    yield metrics.start()
    bus.detach("metrics")


def shown(counted: metrics.Metrics) -> list[str]:
    return counted.exposition().decode().splitlines()


def test_acceptance_is_counted_by_source_topic_and_result(counted: metrics.Metrics) -> None:
    emit(Name.EVENT_ACCEPT_DONE, source="shopify-eu", topic="orders/create", result="accepted", duration_s=0.004)
    emit(Name.EVENT_ACCEPT_DONE, source="shopify-eu", topic="orders/create", result="duplicate", duration_s=0.004)

    lines = shown(counted)
    assert 'millrace_accepted_total{result="accepted",source="shopify-eu",topic="orders/create"} 1.0' in lines
    assert 'millrace_accept_seconds_bucket{le="0.005",source="shopify-eu"} 2.0' in lines
    assert 'millrace_duplicates_suppressed_total{stage="event"} 1.0' in lines


def test_an_effect_is_counted_by_outcome_and_measured_end_to_end(counted: metrics.Metrics) -> None:
    emit(Name.DELIVERY_POST_STOP, target="netsuite", operation="order.post", outcome="done", duration_s=0.2,
         end_to_end_s=4.0, domain="orders", cls="high")  # fmt: skip
    emit(Name.DELIVERY_POST_STOP, target="netsuite", operation="order.post", outcome="uncertain", duration_s=30.0)
    emit(Name.DELIVERY_POST_STOP, target="netsuite", operation="order.post", outcome="already_done", duration_s=0.1)

    lines = shown(counted)
    assert 'millrace_effect_total{operation="order.post",outcome="done",target="netsuite"} 1.0' in lines
    assert 'millrace_end_to_end_seconds_count{class="high",domain="orders"} 1.0' in lines
    assert 'millrace_uncertain_outcomes_total{operation="order.post",target="netsuite"} 1.0' in lines
    assert 'millrace_duplicates_suppressed_total{stage="effect"} 1.0' in lines


def test_a_request_is_measured_by_class_of_status(counted: metrics.Metrics) -> None:
    emit(Name.ERP_EXCHANGE_STOP, target="netsuite", operation="order.post", status=429, duration_s=0.02)
    emit(Name.ERP_EXCHANGE_STOP, target="netsuite", operation="order.post", duration_s=0.02)

    lines = shown(counted)
    assert any('status_class="4xx"' in line and line.endswith(" 1.0") for line in lines if "_count{" in line)
    assert any('status_class="none"' in line and line.endswith(" 1.0") for line in lines if "_count{" in line)


def test_parked_rows_are_counted_by_class_of_failure(counted: metrics.Metrics) -> None:
    emit(Name.EVENT_PARK_DONE, failure="malformed")
    emit(Name.DELIVERY_PARK_DONE, failure="rejected", target="netsuite")

    assert 'millrace_parked_total{class="malformed",stage="event"} 1.0' in shown(counted)
    assert 'millrace_parked_total{class="rejected",stage="delivery"} 1.0' in shown(counted)


def test_batches_count_what_they_hold(counted: metrics.Metrics) -> None:
    emit(Name.PUBLISH_BATCH_STOP, count=40, outcome="confirmed", duration_s=0.01)
    emit(Name.RELAY_SWEEP_STOP, count=3, duration_s=0.01)

    assert 'millrace_published_total{outcome="confirmed"} 40.0' in shown(counted)
    assert "millrace_swept_total 3.0" in shown(counted)


def test_no_id_is_ever_a_label(counted: metrics.Metrics) -> None:
    for name in Name:
        emit(name, event_id=770077, delivery_id=770077, key="ORDER-770077", correlation_id="770077", count=1)

    assert "770077" not in counted.exposition().decode()


def test_what_senders_write_cannot_grow_the_metrics_without_bound(counted: metrics.Metrics) -> None:
    for number in range(metrics.MOST_LABEL_VALUES + 50):
        emit(Name.EVENT_REFUSE_DONE, source=f"guess-{number}", status=404)

    lines = [line for line in shown(counted) if line.startswith("millrace_refused_total{")]
    assert len(lines) == metrics.MOST_LABEL_VALUES + 1
    assert 'millrace_refused_total{source="other",status="404"} 50.0' in lines


def test_dropped_fields_and_failing_listeners_are_counted(counted: metrics.Metrics) -> None:
    def broken(event: bus.Event) -> None:
        raise ValueError

    bus.attach("broken", broken)
    emit(Name.WORKER_START_DONE, customer="Jane")
    bus.detach("broken")

    assert "millrace_dropped_fields_total 1.0" in shown(counted)
    assert 'millrace_listener_failures_total{listener="broken"} 1.0' in shown(counted)


def test_the_backlog_is_read_when_scraped(counted: metrics.Metrics) -> None:
    waiting = [BacklogSample("deliver.netsuite", "high", "queued", 12, 3.5)]
    counted.show(backlog_collector(lambda: waiting))
    waiting.append(BacklogSample("orders", "low", "accepted", 2))

    lines = shown(counted)
    assert 'millrace_backlog_messages{class="high",family="deliver.netsuite",state="queued"} 12.0' in lines
    assert 'millrace_backlog_oldest_age_seconds{class="high",family="deliver.netsuite",state="queued"} 3.5' in lines
    assert 'millrace_backlog_messages{class="low",family="orders",state="accepted"} 2.0' in lines
    assert "millrace_backlog_readable 1.0" in lines


def test_an_unreadable_backlog_leaves_the_other_metrics(counted: metrics.Metrics) -> None:
    def unreadable() -> Iterable[BacklogSample]:
        raise ConnectionError("no ledger")

    counted.show(backlog_collector(unreadable))

    assert "millrace_backlog_readable 0.0" in shown(counted)
    assert any(line.startswith("millrace_accepted_total") or "millrace_swept_total" in line for line in shown(counted))


def test_workers_answer_over_http_on_loopback(counted: metrics.Metrics) -> None:
    server, thread = counted.serve(0)
    emit(Name.WORKER_CHILD_LOST)

    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=5) as answer:
        body = answer.read().decode()
    server.shutdown()
    server.server_close()
    thread.join(5)

    assert server.server_address[0] == "127.0.0.1"
    assert "millrace_worker_children_lost_total 1.0" in body


FORKED = """
import json, os, sys
from pathlib import Path
from telemetry import Name, emit, metrics
counted = metrics.start(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    emit(Name.RELAY_SWEEP_STOP, count=2, duration_s=0.1)
    os._exit(0)
os.waitpid(child, 0)
emit(Name.RELAY_SWEEP_STOP, count=3, duration_s=0.1)
print(json.dumps(counted.exposition().decode()))
"""


def test_a_prefork_parent_answers_for_its_children_and_forgets_the_last_run(tmp_path: Path) -> None:
    (tmp_path / "counter_1.db").write_bytes(b"left over")
    environment = {**metrics.launch_environment(tmp_path), "PYTHONPATH": str(ROOT)}
    assert list(tmp_path.iterdir()) == []

    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)], env=environment, capture_output=True, timeout=30, check=True
    )

    assert "millrace_swept_total 5.0" in json.loads(done.stdout).splitlines()
