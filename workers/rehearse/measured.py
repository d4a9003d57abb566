"""Runs the measuring of service times: from the ledger's newest attempts and what the limiter saw of the answers."""

from collections.abc import Mapping, Sequence

from ledger.measured import Attempted
from workers.rehearse.service import Service, Spread, TargetService

LEAST = 20
"""Attempts below which nothing is said of a target."""
_MOST_SAMPLES = 500


def service_of(told: Sequence[Attempted], latency_s: Mapping[str, float | None], given: Service) -> Service:
    """``given`` with the times of each call, and the part of attempts that failed, as they were measured where enough were.

    An attempt's time holds what it waited for calls of the limiter. ``latency_s``, what the limiter saw a single answer take,
    takes that out: the spread is the attempts', the mean is the answers'.
    """
    targets = {one.target for one in told}
    return given.model_copy(
        update={
            "targets": {
                **given.targets,
                **{
                    target: measured
                    for target in sorted(targets)
                    if (
                        measured := _target(
                            given.of(target), [one for one in told if one.target == target], latency_s.get(target)
                        )
                    )
                },
            }
        }
    )


def _target(given: TargetService, told: Sequence[Attempted], latency_s: float | None) -> TargetService | None:
    tried = [one for one in told if not one.handed_back]
    worked = [one.took_s / one.calls * 1000 for one in tried if one.worked][:_MOST_SAMPLES]
    if len(worked) < LEAST:
        return None
    mean_ms = sum(worked) / len(worked)
    scale = min(1.0, latency_s * 1000 / mean_ms) if latency_s and mean_ms else 1.0
    calls = sum(one.calls for one in tried)
    failing = min(0.99, (len(tried) - sum(one.worked for one in tried)) / calls)
    return given.model_copy(
        update={"call_ms": Spread(samples=tuple(round(one * scale, 3) for one in worked)), "failing": failing}
    )
