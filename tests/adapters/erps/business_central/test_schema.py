"""What we send is what Business Central documents: its resource types, and its own samples at the sandbox."""

import json
from pathlib import Path

import pytest

from adapters.erps.base import Posting
from adapters.erps.business_central.options import options_of
from adapters.erps.business_central.sales import Draft, draft_of
from tests.adapters.erps.business_central.company import BusinessCentralBench
from workers.sandbox.business_central.schema import WRITABLE, checked

SAMPLES = Path(__file__).parents[5] / "shared" / "fixtures" / "erp" / "business-central" / "v2.0"
needs_samples = pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded samples are not here")


def sample(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((SAMPLES / name).read_text())
    return found


@needs_samples
@pytest.mark.parametrize(
    ("entity", "resource", "beside"),
    [
        ("salesOrder", "salesOrder_resource.1.json", {"shipToAddressLine2", "salesOrderLines"}),
        ("salesOrderLine", "salesOrderLine_resource.1.json", set()),
        ("salesCreditMemo", "salesCreditMemo_resource.1.json", {"salesCreditMemoLines"}),
    ],
)
def test_the_sandbox_knows_no_field_that_the_resource_does_not_have(entity: str, resource: str, beside: set[str]) -> None:
    assert set(WRITABLE[entity]) - beside <= set(sample(resource))


@needs_samples
@pytest.mark.parametrize("name", ["salesOrder_create.1.json", "salesOrder_update.1.json", "salesCreditMemo_create.1.json"])
def test_the_sandbox_takes_the_documented_requests(name: str) -> None:
    entity = name.partition("_")[0]

    assert checked(entity, sample(name))


@needs_samples
def test_every_field_of_an_order_that_we_send_is_in_the_documented_resource(business_central_bench: BusinessCentralBench) -> None:
    bench = business_central_bench
    order = bench.order()
    posting = Posting(1, "order.create", 1, order, order, bench.references, None, 1, "c")

    draft = draft_of(posting, order, options_of(bench.account))

    assert isinstance(draft, Draft)
    assert set(draft.header) <= set(sample("salesOrder_resource.1.json"))
    for line in draft.body["salesOrderLines"]:  # type: ignore[attr-defined]  # the lines of the body
        assert set(line) <= set(sample("salesOrderLine_resource.1.json"))
