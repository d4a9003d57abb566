"""Fixtures of the NetSuite adapter: one sandbox process a session, healthy and without limits before every test."""

from collections.abc import Iterator

import pytest

from tests.adapters.erps.netsuite.account import NetSuiteBench, RunningSandbox, running_sandbox

HEALTHY = {
    "concurrency": 100,
    "rate_per_s": None,
    "burst": None,
    "retry_after_s": None,
    "over_limit_as_401": False,
    "token_ttl_s": 3600,
}


@pytest.fixture(scope="session")
def netsuite_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox in a process of its own."""
    with running_sandbox(tmp_path_factory.mktemp("netsuite")) as sandbox:
        yield sandbox


@pytest.fixture
def netsuite_bench(netsuite_sandbox: RunningSandbox) -> Iterator[NetSuiteBench]:
    """The adapter before it."""
    netsuite_sandbox.control("DELETE", "faults")
    netsuite_sandbox.control("PATCH", "limits", HEALTHY)
    yield NetSuiteBench(netsuite_sandbox)
    netsuite_sandbox.control("DELETE", "faults")
    netsuite_sandbox.control("PATCH", "limits", HEALTHY)


@pytest.fixture
def netsuite_batch_bench(netsuite_bench: NetSuiteBench) -> NetSuiteBench:
    """The adapter with asynchronous batches switched on."""
    return netsuite_bench.with_options(batch="async", batch_wait_s=5)
