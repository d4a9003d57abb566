"""Fixtures of the Business Central adapter: one sandbox process a session, healthy before every test."""

from collections.abc import Iterator

import pytest

from tests.adapters.erps.business_central.company import BusinessCentralBench, running_service
from tests.adapters.erps.netsuite.account import RunningSandbox

DOCUMENTED = {"concurrency": 5, "queue": 95, "queue_wait_s": 480, "window_calls": 6000, "window_s": 300, "token_ttl_s": 3600}


@pytest.fixture(scope="session")
def business_central_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox in a process of its own."""
    with running_service("business-central", tmp_path_factory.mktemp("business-central")) as sandbox:
        yield sandbox


@pytest.fixture
def business_central_bench(business_central_sandbox: RunningSandbox) -> Iterator[BusinessCentralBench]:
    """The adapter before it; it takes batches."""
    business_central_sandbox.control("DELETE", "faults")
    business_central_sandbox.control("PATCH", "limits", DOCUMENTED)
    yield BusinessCentralBench(business_central_sandbox)
    business_central_sandbox.control("DELETE", "faults")
    business_central_sandbox.control("PATCH", "limits", DOCUMENTED)
