"""Loads the shop's keys into the fleet's cross-references, from the catalogue the sandbox ERP shows."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ledger.crossrefs import CrossRef, put
from ledger.session import Ledger
from workers.demo.goods import PRODUCTS, TOWNS
from workers.demo.shopify_bodies import LOCATION

TARGET = "sandbox"


def load_master_data(ledger: Ledger, catalogue: Mapping[str, Mapping[str, str]]) -> int:
    """Tell the fleet what the shop's articles, taxes and places are called in the ERP; how many references there are."""
    with ledger.write() as session:
        return put(session, _references(catalogue), datetime.now(UTC))


def _references(catalogue: Mapping[str, Mapping[str, str]]) -> Iterator[CrossRef]:
    articles = sorted(key for key in catalogue["item"] if key.startswith("SKU-"))
    for product, article in zip(PRODUCTS, articles, strict=False):
        yield CrossRef(TARGET, "item", "*", product.sku, catalogue["item"][article])
    for town in TOWNS:
        if town.tax:
            code = "US-CA" if town.region_code == "CA" else "CHANNEL"
            yield CrossRef(TARGET, "tax", "*", f"{town.region} State Tax", catalogue["tax"][code])
    yield CrossRef(TARGET, "location", "*", str(LOCATION), catalogue["location"]["LOC-1"])
    yield CrossRef(TARGET, "charge", "*", "adjustment", catalogue["charge"]["ADJUSTMENT"])
