"""Measures how soon a change of the weights turns a large standing backlog round, counted in the ERP's log."""

import time

from bench import allowance
from bench.erp_log import REFUSED
from bench.millrace import Millrace
from bench.services import Site
from bench.stage import BACKLOG, Run, Stage
from bench.throttle import ERP

UNDER_WAY_S = 3.0
TURN_LIMIT_S = 15.0
WEIGHTS_BEFORE = {"high": 16, "normal": 16, "low": 1}
WEIGHTS_AFTER = {"high": 16, "normal": 1, "low": 16}
TURNED = 0.85
"""The mix has turned when 25 orders in a row are ``low`` to this share; the new weights make it 0.94, the old ones 0.06."""


def reorder(contender: Millrace, site: Site, *, backlog: int) -> Run:
    """Seconds from the operator's command until the ERP sees the other mix, with half of the backlog of either class."""
    with Stage(contender, site, ERP) as stage:
        stage.intake(0, sample=True)
        contender.reweigh(stage.services, **WEIGHTS_BEFORE)
        half = backlog // 2
        # Laid before the workers boot: it takes longer than a frozen one keeps its connections.
        laid = {"normal": stage.lay(BACKLOG, half), "low": stage.lay(BACKLOG + half, half, "low")}
        stage.workers()
        time.sleep(UNDER_WAY_S)
        entered_s = time.monotonic()
        contender.reweigh(stage.services, **WEIGHTS_AFTER)
        done_s = time.monotonic()
        time.sleep(TURN_LIMIT_S / 3)
        while (turned_s := _turned_s(stage, laid, done_s)) is None and time.monotonic() < done_s + TURN_LIMIT_S:
            time.sleep(0.2)
        if turned_s is None:
            return Run(contender.name, {}, f"the mix had not turned {TURN_LIMIT_S:.0f} s after the change")
        requests, changes = stage.erp.requests(), stage.erp.changes()
        end_s = time.monotonic()
        figures = {
            "seconds": turned_s,
            "seconds_from_return_key": done_s - entered_s + turned_s,
            "low_share_before": _low_share(stage, laid, entered_s - UNDER_WAY_S, entered_s),
            "low_share_after": _low_share(stage, laid, done_s + turned_s, end_s),
            "used": allowance.used(requests, changes, entered_s - UNDER_WAY_S, end_s),
        }
        return Run(contender.name, figures, stage.proof(laid["normal"] | laid["low"]))


def _seen(stage: Stage, laid: dict[str, set[str]]) -> list[tuple[float, str]]:
    """Moments and classes of the backlog's orders let in so far."""
    let_in = [one for one in stage.erp.requests() if one.status != REFUSED]
    return [(one.admitted_s, cls) for one in let_in for cls, keys in laid.items() if one.key in keys]


def _turned_s(stage: Stage, laid: dict[str, set[str]], changed_s: float) -> float | None:
    return allowance.turned_s(_seen(stage, laid), changed_s, "low", TURNED)


def _low_share(stage: Stage, laid: dict[str, set[str]], start_s: float, end_s: float) -> float:
    classes = [cls for at_s, cls in _seen(stage, laid) if start_s <= at_s < end_s]
    return classes.count("low") / len(classes) if classes else 0.0
