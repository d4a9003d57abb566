"""Measures express orders that come into a standing backlog at a throttled ERP: from the webhook to the ERP's acceptance."""

import http.client
import time
from urllib.parse import urlsplit

from bench import allowance
from bench.contenders import Contender
from bench.orders import Webhook, webhooks
from bench.services import Site
from bench.stage import Run, Stage
from bench.throttle import ERP, WARM

EXPRESS = 20
EVERY_S = 0.5
FIRST = 1_000
"""Number of the first express order."""
UNDER_WAY_S = 3.0
"""Time in which the backlog is worked on before the first express order comes."""
LATE_S = 60.0
"""An express order that is not in the ERP after this time is a failure of the run."""


def express(contender: Contender, site: Site, *, backlog: int, low: int) -> Run:
    """Seconds of 20 express orders, one each half second, through a backlog of so many orders, ``low`` of them of that class.

    Also what the backlog's own lowest class does meanwhile, and what of the allowance is used in that time.
    """
    with Stage(contender, site, ERP) as stage:
        stage.intake(WARM, sample=True)
        stage.workers()
        laid = stage.lay_before_frozen_workers({"normal": backlog - low} | ({"low": low} if low else {}))
        time.sleep(UNDER_WAY_S)
        sent = _send(stage.url)
        start_s = min(sent.values())
        arrived = stage.erp.wait_for(set(sent), LATE_S)
        requests, changes = stage.erp.requests(), stage.erp.changes()
        accepted = {one.key: one.at_s for one in requests if one.posted and one.key in sent}
        # Read before the workers end: a contender must not be helped by what happens later.
        end_s = max(accepted.values(), default=start_s + EXPRESS * EVERY_S)
        waits = [accepted[key] - at_s for key, at_s in sent.items() if key in accepted]
        figures = {
            "p50_s": allowance.quantile(waits, 0.5),
            "max_s": max(waits, default=LATE_S),
            "used": allowance.used(requests, changes, start_s, end_s),
            "refused": allowance.refused(requests, start_s, end_s),
        }
        if low:
            moved = [one.admitted_s for one in requests if one.posted and one.key in laid["low"]]
            figures["low_per_s"] = sum(start_s <= at_s <= end_s for at_s in moved) / (end_s - start_s)
            figures["low_longest_stand_s"] = allowance.longest_gap_s(moved, start_s, end_s)
        keys = set().union(*laid.values(), sent)
        _, over_s = allowance.standing(requests, set().union(*laid.values()), ERP.at_once or 1)
        faults = "the backlog did not stand throughout " if over_s is not None and over_s < end_s else ""
        late = "" if arrived else f"{len(sent) - len(accepted)} express orders were not in the ERP after {LATE_S:.0f} s "
        return Run(
            contender.name,
            figures,
            (faults + late + stage.proof(keys)).strip(),
            allowance.curve(requests, changes, start_s, end_s),
        )


def _send(url: str) -> dict[str, float]:
    """Post the express orders at their times, whatever becomes of them; the moment each was sent, by its key."""
    parts = urlsplit(url)
    shop = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    begun_s, sent = time.monotonic(), {}
    for number, order in enumerate(webhooks(FIRST, EXPRESS, express=True)):
        time.sleep(max(0.0, begun_s + number * EVERY_S - time.monotonic()))
        sent[str(order.order_id)] = time.monotonic()
        _post(shop, parts.path, order)
    shop.close()
    return sent


def _post(shop: http.client.HTTPConnection, path: str, order: Webhook) -> None:
    shop.request("POST", path, order.body, dict(order.headers))
    answer = shop.getresponse()
    answer.read()
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"an express order was answered {answer.status}")
