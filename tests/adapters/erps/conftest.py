"""Benches of the adapters, by name for the contract suite."""

from tests.adapters.erps.business_central.fixtures import business_central_bench, business_central_sandbox
from tests.adapters.erps.dataverse.fixtures import dataverse_bench, dataverse_sandbox
from tests.adapters.erps.netsuite.fixtures import netsuite_batch_bench, netsuite_bench, netsuite_sandbox

__all__ = [
    "business_central_bench",
    "business_central_sandbox",
    "dataverse_bench",
    "dataverse_sandbox",
    "netsuite_batch_bench",
    "netsuite_bench",
    "netsuite_sandbox",
]
