"""The fleet file of tests: one shop, the ERPs a test names, two pools; and the fleet with one sandbox ERP that most tests use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.crossrefs import CrossRef
from tests.fleet.running import TestFleet, a_fleet

LANE = "deliver.sandbox"
ERP_LIMITS = ("--rate", "50", "--burst", "10", "--concurrency", "10", "--service-ms", "20")
LIMIT = "{ rate_per_s = 40, burst = 8, concurrency = 4 }"
QUICK_WAITS = "max_execution_s = 1.0\nanswer_timeout_s = 2.0\nposting_time_s = 2.0"
BY_SHIPPING = """
[[classes]]
class = "high"
kinds = ["order"]
shipping_methods = ["express"]

[[classes]]
class = "low"
kinds = ["order"]
shipping_methods = ["economy"]
"""


def fleet_text(tables: str, lanes: Sequence[str], *, prepare: int = 2, deliver: int = 4) -> str:
    """A fleet file: the shop, ``tables`` as they are (targets, routes and what else a test needs), slots of the two pools."""
    families = ", ".join(f'"{lane}"' for lane in lanes)
    return f"""
[sources.shopify]
channel = "shopify"
secrets = ["SHOPIFY"]
{tables}
[pools.prepare]
kind = "prefork"
families = ["orders", "shipments", "returns"]
concurrency = {prepare}

[pools.deliver]
kind = "threads"
families = [{families}]
concurrency = {deliver}
"""


def netsuite_target(
    name: str = "sandbox", *, port: int = 1, sandbox: bool = True, waits: str = QUICK_WAITS, limit: str = LIMIT, more: str = ""
) -> str:
    """The table of one NetSuite target; ``sandbox`` is started with the fleet, another one must listen on ``port``."""
    return f"""
[targets.{name}]
adapter = "netsuite"
url = "http://127.0.0.1:{port}"
secret = "SANDBOX"
sandbox = {str(sandbox).lower()}
{waits}
limit = {limit}
options = {{ guest_customer = "110", location = "1", subsidiary = "1", tax_code = "7", adjustment_item = "96" }}
{more}"""


def sandbox_text(target: str = "", more: str = "", *, deliver: int = 4) -> str:
    """The fleet file of one sandbox ERP, which takes four rows a call unless ``target`` is another table."""
    table = target or netsuite_target(more="bundle = 4\n")
    return fleet_text(f'{table}\n[[routes]]\ntarget = "sandbox"\n{more}', [LANE], deliver=deliver)


def refs_of(target: str = "sandbox") -> list[CrossRef]:
    """What the shop's only article and its tax are called there."""
    return [CrossRef(target, "item", "*", "SKU-0001", "501"), CrossRef(target, "tax", "*", "Sales tax", "7")]


@contextmanager
def a_sandbox_fleet(
    folder: Path, text: str = "", *, sandbox_options: Sequence[str] = ERP_LIMITS, **more: Any
) -> Iterator[TestFleet]:
    """The fleet with one sandbox ERP that knows the shop's article; ``more`` as for `a_fleet`."""
    with a_fleet(folder, text or sandbox_text(), sandbox_options=sandbox_options, **more) as running:
        running.put_crossrefs(refs_of())
        yield running
