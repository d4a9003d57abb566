"""Runs a chain of requests: read the state, decide the next requests from it, send them, until the state is final."""

from dataclasses import dataclass
from typing import Protocol

from adapters.erps.tryton.faults import Fault, Moved, Taken
from adapters.erps.tryton.records import Sale
from adapters.erps.tryton.session import Session, read_sale
from adapters.erps.tryton.wire import Request
from canonical.outcome import Absent, AlreadyDone, Conflict, Done, Finding, Outcome, Rejected

MOST_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Steps:
    """What to send next, in order. With ``done`` the chain is finished when all of it was answered as expected."""

    requests: tuple[Request, ...]
    done: int | None = None


Decision = Steps | AlreadyDone | Fault


class Chain(Protocol):
    """One operation on one document: a pure decision between a reading and the requests."""

    def read(self, session: Session) -> Sale | Fault | None:
        """The state the decision needs."""
        ...

    def decide(self, sale: Sale | None, tried: frozenset[str]) -> Decision:
        """The next requests, or the end. ``tried`` names the requests this attempt has sent already."""
        ...


def run(chain: Chain, session: Session, state: Sale | Fault | None) -> Outcome:
    """Drive the chain from ``state`` to its end."""
    tried: frozenset[str] = frozenset()
    for _ in range(MOST_ROUNDS):
        if isinstance(state, Fault):
            return state
        decision = chain.decide(state, tried)
        if not isinstance(decision, Steps):
            return _end(decision, session)
        sent = _send(decision, session)
        tried |= {request.name for request in decision.requests}
        if isinstance(sent, Fault | Done):
            return sent
        state = sent if isinstance(sent, Sale) else chain.read(session)
    return Conflict("the record keeps changing: another user or integration works on it")


def look_up(chain: Chain, session: Session) -> Finding:
    """What the state says about the effect, changing nothing. A half-finished chain is Absent: posting resumes it."""
    state = chain.read(session)
    if isinstance(state, Fault):
        return state
    decision = chain.decide(state, frozenset())
    return Absent() if isinstance(decision, Steps | Rejected) else decision


def _end(decision: AlreadyDone | Fault, session: Session) -> Outcome:
    if isinstance(decision, AlreadyDone) and session.wrote:
        return Done(decision.remote_id)
    return decision


def _send(steps: Steps, session: Session) -> Sale | Done | Fault | None:
    """The new state if an answer told it, None if it has to be read, Done when the last step finishes the chain."""
    told: Sale | Fault | None = None
    for request in steps.requests:
        raw = session.change(request)
        if isinstance(raw, Moved | Taken):
            return None
        if isinstance(raw, Fault):
            return raw
        if request.expects and raw.get("state") not in request.expects:
            return None
        told = read_sale(raw, request.name) if request.tells else None
    return told if steps.done is None else Done(str(steps.done))
