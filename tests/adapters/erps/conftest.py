"""Benches of the adapters, by name for the contract suite."""

from tests.adapters.erps.netsuite.fixtures import netsuite_batch_bench, netsuite_bench, netsuite_sandbox

__all__ = ["netsuite_batch_bench", "netsuite_bench", "netsuite_sandbox"]
