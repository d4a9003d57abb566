"""Makes one document from another, once: a refusal is believed only when no record has the external id."""

from dataclasses import dataclass

from adapters.erps.netsuite.faults import Fault, Gone, Taken
from adapters.erps.netsuite.wire import Ask, Wire, Wrote
from adapters.http.caller import Caller
from canonical.outcome import Rejected, Unavailable


@dataclass(frozen=True, slots=True)
class Made:
    """The document under the key; ``before`` if it was there already."""

    id: str
    before: bool


def make(wire: Wire, caller: Caller, ask: Ask, key: str, *, look_first: bool = False) -> Made | Gone | Fault:
    """Send a transform whose body holds ``key``. ``look_first`` when an earlier attempt may have come this far.

    Once a document has taken what its source had to give, NetSuite refuses a repeat for many reasons, not only for the key.
    Gone means that the source is not there.
    """
    if look_first:
        found = find(wire, caller, ask.record, key)
        if not isinstance(found, Gone):
            return found
    written = wire.write(caller, ask)
    if isinstance(written, Wrote):
        return Made(written.id, before=False)
    if not isinstance(written, Gone | Taken | Rejected):
        return written
    found = find(wire, caller, ask.record, key)
    if not isinstance(found, Gone):
        return found
    if isinstance(written, Taken):
        return Unavailable(f"{ask.name}: the external id is said to be taken, and no record is found under it")
    return written


def find(wire: Wire, caller: Caller, record: str, key: str) -> Made | Gone | Fault:
    """The record under an external id."""
    shown = wire.show(caller, record, f"eid:{key}")
    return shown if isinstance(shown, Gone | Fault) else Made(str(shown["id"]), before=True)
