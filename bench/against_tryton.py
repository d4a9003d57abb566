"""Measures Millrace once against a real Tryton behind its nginx: nothing lost, nothing doubled, hardly a throttle answer.

The witness is the ERP itself (its own database) and nginx's access log. Only where the folder that starts Tryton is there.
"""

import re
import time
from dataclasses import replace
from pathlib import Path

from bench.contenders import Told
from bench.load import pour
from bench.millrace import ARTICLES, Millrace
from bench.orders import FIRST_ID, webhooks
from bench.services import Site
from bench.stage import Run
from tests.tryton_erp import SHARED, TrytonErp, running_tryton

CACHE = Path(__file__).parents[1] / ".pytest_cache" / "d" / "tryton"
"""Where the tests keep the seeded ERP too: it is made once."""
TOLD = Told(rate_per_s=20.0, burst=10, at_once=4)
"""nginx: 20 requests a second, 10 above that, 4 at once."""
ANSWER_TIMEOUT_S = 20.0
SECONDS_AN_ORDER = 2.0
WARM = 5
LATE_S = 60.0
QUIET_S = 2.0
CURRENCY = "USD"
"""The seeded company sells in it."""
_STATUS = re.compile(r'" (\d{3}) ')


def available() -> bool:
    """Whether the folder that starts Tryton is there."""
    return (SHARED / "up").exists()


def tryton(contender: Millrace, site: Site, *, orders: int) -> Run:
    """Orders a second, throttle answers over requests, and what is not once in the ERP, after pouring through the fleet."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with running_tryton(CACHE) as erp:
        fleet = replace(
            contender,
            told=TOLD,
            adapter="tryton",
            options=erp.options(),
            crossrefs=_crossrefs(erp),
            secret=erp.key,
            answer_timeout_s=ANSWER_TIMEOUT_S,
        )
        services = site.fresh("tryton")
        try:
            url = fleet.start_intake(services, erp.throttled_url)
            fleet.start_workers(services, erp.throttled_url)
            return _pour(fleet, erp, url, orders)
        finally:
            fleet.stop()
            site.drop("tryton")


def _pour(fleet: Millrace, erp: TrytonErp, url: str, orders: int) -> Run:
    _wait_for(erp, _accept(url, 0, WARM), LATE_S)
    log = erp.maintenance.parent / "nginx" / "access.log"
    before = len(_STATUS.findall(log.read_text()))
    began_s = time.monotonic()
    keys = _accept(url, WARM, orders)
    missing = _wait_for(erp, keys, orders * SECONDS_AN_ORDER + LATE_S)
    took_s = time.monotonic() - began_s
    # The last requests of a sale come after the one that makes it.
    time.sleep(QUIET_S)
    sold = _sold(erp)
    statuses = _STATUS.findall(log.read_text())[before:]
    figures = {
        "refused": statuses.count("429") / len(statuses),
        "orders_per_s": (len(keys) - len(missing)) / took_s,
        "requests_per_s": len(statuses) / took_s,
        "requests_an_order": len(statuses) / orders,
    }
    doubled = len(sold) - len(set(sold))
    return Run(fleet.name, figures, f"{len(missing)} lost, {doubled} doubled of {orders}" if missing or doubled else "")


def _accept(url: str, first: int, orders: int) -> set[str]:
    poured = pour(url, webhooks(first, orders, currency=CURRENCY))
    if poured.accepted != orders:
        raise RuntimeError(f"{poured.accepted} of {orders} accepted, answers {poured.statuses}")
    return {str(key) for key in poured.answered}


def _wait_for(erp: TrytonErp, keys: set[str], within_s: float) -> set[str]:
    """Wait until Tryton has the orders; those it has not when the time is over."""
    deadline = time.monotonic() + within_s
    while (missing := keys - set(_sold(erp))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return missing


def _sold(erp: TrytonErp) -> list[str]:
    """Keys of the sales in Tryton's own database, each as often as it is there."""
    rows = erp.sql("select web_id from sale_sale where web_id is not null and state in ('confirmed', 'processing', 'done')")
    return [row[-len(str(FIRST_ID)) :] for row in rows]


def _crossrefs(erp: TrytonErp) -> list[tuple[str, str, str]]:
    items = [("item", f"BENCH-{n:03d}", str(erp.ids["products"][f"SKU-{n:04d}"])) for n in range(1, ARTICLES + 1)]
    return [*items, ("tax", "VAT", str(erp.tax("VAT", "0.19")))]
