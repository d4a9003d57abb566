"""Runs the plan of the fetchers: weights and pauses in force, read from the ledger once a second."""

from config.fleet import FamilyWeights, Fleet
from ledger import controls
from ledger.session import Ledger, Session
from routing import names
from routing.weights import Weights
from tasks.context import Context
from workers.fetch.plan import FetchPlan

_WEIGHTS = "weights."
_PAUSED = "paused."


def weights_in_force(session: Session, fleet: Fleet) -> dict[str, FamilyWeights]:
    """Weights of every family: the operator's, else the fleet file's, else the default."""
    set_now = controls.read_all(session)
    return {
        family: FamilyWeights.model_validate(set_now.get(f"{_WEIGHTS}{family}", {}))
        if f"{_WEIGHTS}{family}" in set_now
        else fleet.weights.get(family, FamilyWeights())
        for family in fleet.families
    }


def paused_families(session: Session, fleet: Fleet) -> frozenset[str]:
    """Families that an operator has paused."""
    set_now = controls.read_all(session)
    return frozenset(family for family in fleet.families if f"{_PAUSED}{family}" in set_now)


def put_weights(context: Context, family: str, weights: FamilyWeights) -> None:
    """Set a family's weights for the whole fleet."""
    with context.ledger.write() as session:
        controls.put(session, f"{_WEIGHTS}{family}", weights.model_dump(), context.now())


class LedgerPlan:
    """The plan a worker's fetcher goes by: the controls in the ledger over the fleet file."""

    def __init__(self, ledger: Ledger, fleet: Fleet) -> None:
        self._ledger = ledger
        self._fleet = fleet

    def current(self) -> FetchPlan:
        """Read it now. Raises one of LedgerUnavailable; the fetcher then keeps the last one."""
        with self._ledger.read() as session:
            weights = weights_in_force(session, self._fleet)
            paused = paused_families(session, self._fleet)
        shares = {
            names.lane(name): {str(d): share for d, share in target.shares.items()}
            for name, target in self._fleet.targets.items()
            if target.shares
        }
        return FetchPlan({family: _as_turns(w) for family, w in weights.items()}, paused, shares)


def _as_turns(weights: FamilyWeights) -> Weights:
    return Weights(weights.high, weights.normal, weights.low, weights.strict, aged_after_s=weights.aged_after_s)
