"""Runs the plan of the fetchers: weights and pauses in force, read from the ledger once a second."""

from config.fleet import FamilyWeights, Fleet
from ledger import controls
from ledger.session import Session
from tasks.context import Context

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
