"""Sets the limits that vendors document, by name: ``limit = { preset = "netsuite-tier1" }``.

A figure here is the vendor's own; what is ours (a start where nothing is documented, a pace that spreads a window) is
said to be. Where a vendor counts apart what this fleet cannot see (another integration, a web server of many), the
lane learns it from the answers.
"""

from collections.abc import Mapping
from typing import Any

from config.nearest import hint

SUITECLOUD_PLUS = 10
"""Requests at once that each SuiteCloud Plus licence adds to a NetSuite account (Oracle help, "Concurrency Governance
Limits Based on Service Tiers and SuiteCloud Plus Licenses")."""

_NETSUITE = {"learn": {"floor_concurrency": 1}}
"""NetSuite bounds calls at once, not calls a second; SOAP, REST and RESTlets of all integrations share the figure. It
answers 429 CONCURRENCY_LIMIT_EXCEEDED without Retry-After (Oracle help, "Web Services and RESTlet Concurrency Governance")."""

_MICROSOFT_WINDOW = {"calls": 6000, "span_s": 300}
_MICROSOFT_PACE = {"rate_per_s": 20.0, "burst": 100, "windows": [_MICROSOFT_WINDOW]}
"""6000 requests in any 5 minutes. The pace of 20 a second is ours: the window spread evenly, so that an express order
never stands before a window that a backlog emptied."""

_AMAZON = {
    "getOrders": (0.0167, 20),
    "getOrder": (0.5, 30),
    "getOrderItems": (0.5, 30),
    "confirmShipment": (2.0, 10),
    "updateShipmentStatus": (5.0, 15),
    "searchOrders": (0.0056, 20),
    "createReport": (0.0167, 15),
    "getReports": (0.0222, 10),
    "getReport": (2.0, 15),
    "getReportDocument": (0.0167, 15),
    "createFeed": (0.0083, 15),
    "createFeedDocument": (0.5, 15),
    "getFeed": (2.0, 15),
    "getFeedDocument": (0.0222, 10),
}
"""Rate a second and burst by operation, per seller account and application (Selling Partner API models, "Usage plan"). The
answers' ``x-amzn-RateLimit-Limit`` lowers them where a seller's plan is smaller."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Oracle help, "Concurrency Governance": Standard and Shared 5, Premium (tier 1) 15, Enterprise (tier 2) 20, Ultimate
    # 20; a developer account 5; a sandbox as its production account.
    "netsuite-standard": {**_NETSUITE, "concurrency": 5},
    "netsuite-tier1": {**_NETSUITE, "concurrency": 15},
    "netsuite-tier2": {**_NETSUITE, "concurrency": 20},
    "netsuite-developer": {**_NETSUITE, "concurrency": 5},
    # Microsoft Learn, "Operational limits for Business Central online": per user 5 concurrent OData requests (95 more are
    # queued there), 6000 requests in a sliding window of 5 minutes.
    "business-central": {**_MICROSOFT_PACE, "concurrency": 5},
    # Microsoft Learn, "Service protection API limits" (Dataverse): per user and web server 6000 requests and 1200 s of
    # execution time in 5 minutes, 52 concurrent. Execution time is counted from the answers' durations, the network's part
    # in them included: 1200 s in 300 s are 4 requests under way on average.
    "dataverse": {**_MICROSOFT_PACE, "concurrency": 52, "execution": [{"busy_s": 1200, "span_s": 300}]},
    # Oracle publishes no figures; 503 with "maintenance retry" may last hours. Start and bound are ours.
    "fusion": {"concurrency": 16, "learn": {"start_concurrency": 2, "slow_ratio": 2.0}},
    # SAP publishes none; an exhausted system shows as slow answers before it shows as 503. Start and bound are ours.
    "sap": {"concurrency": 32, "learn": {"start_concurrency": 2, "slow_ratio": 1.6}},
    # JD Edwards gives no signal at all but slowness: kernels and queues saturate. Start and bound are ours.
    "jde": {"concurrency": 8, "learn": {"start_concurrency": 1, "slow_ratio": 1.6}},
    # shopify.dev, "Shopify API limits": REST leaky bucket of 40 that drains 2 a second, Advanced 4, Plus 20 (its size of
    # 400 is told by the answers' header only, so 40 is assumed); per app and shop.
    "shopify-rest": {"rate_per_s": 2.0, "burst": 40},
    "shopify-rest-advanced": {"rate_per_s": 4.0, "burst": 40},
    "shopify-rest-plus": {"rate_per_s": 20.0, "burst": 40},
    # shopify.dev, "Shopify API limits": GraphQL restores 100 points a second, Advanced 200, Plus 1000, Commerce Components
    # 2000. The size (ten seconds' worth) and the cost of a call are ours, corrected by each answer's throttleStatus.
    "shopify-graphql": {"points": {"capacity": 1000, "restore_per_s": 100.0, "per_call": 10}},
    "shopify-graphql-advanced": {"points": {"capacity": 2000, "restore_per_s": 200.0, "per_call": 10}},
    "shopify-graphql-plus": {"points": {"capacity": 10_000, "restore_per_s": 1000.0, "per_call": 10}},
    "shopify-graphql-components": {"points": {"capacity": 20_000, "restore_per_s": 2000.0, "per_call": 10}},
    "amazon-sp-api": {"operations": {name: {"rate_per_s": rate, "burst": burst} for name, (rate, burst) in _AMAZON.items()}},
    # developer.bigcommerce.com, "API rate limits": 150 requests in 30 s (Standard, Plus), 450 (Pro), per store, all apps.
    "bigcommerce": {"windows": [{"calls": 150, "span_s": 30}]},
    "bigcommerce-pro": {"windows": [{"calls": 450, "span_s": 30}]},
    # Tryton has no limit of its own; the nginx in front of it: 20 a second, burst 10, 4 at once, 429 with Retry-After.
    "tryton-nginx": {"rate_per_s": 20.0, "burst": 10, "concurrency": 4},
    # Nothing is known: it begins with a few requests a second and finds the rest. All figures are ours.
    "unknown": {"learn": {"start_per_s": 5.0}},
}


def preset_table(name: str, licences: int = 0) -> dict[str, Any]:
    """The limit table a preset stands for. Raises ValueError naming the nearest preset.

    >>> preset_table("netsuite-tier1", licences=2)["concurrency"]
    35
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; {hint(name, PRESETS)}")
    table = dict(PRESETS[name])
    if licences and name.startswith("netsuite"):
        table["concurrency"] += licences * SUITECLOUD_PLUS
    return table
