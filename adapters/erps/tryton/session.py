"""One posting's conversation with Tryton: sends requests under the permit and hands back records or faults."""

from typing import Any

from adapters.erps.tryton.faults import Fault, Moved, Taken, fault_of
from adapters.erps.tryton.records import Raw, Sale, sale_of
from adapters.erps.tryton.wire import Request
from adapters.http.answers import Answer
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from canonical.outcome import Unavailable, Uncertain


class Session:
    """Sends; used by one thread for one posting. ``wrote`` turns true with the first change Tryton answered for."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.wrote = False

    def change(self, request: Request) -> Raw | Fault | Moved | Taken:
        """Send a request that changes something; the answer is the record as it is now."""
        if request.unless is not None:
            found = self.search(request.unless)
            if not isinstance(found, list):
                return found
            if found:
                return found[0]
        record = self._ask(request, writes=True)
        if isinstance(record, list):
            return Uncertain(f"{request.name}: the answer is of an unknown shape")
        if isinstance(record, dict):
            self.wrote = True
        return record

    def search(self, request: Request) -> list[Raw] | Fault:
        """Read the records a search finds."""
        records = self._ask(request, writes=False)
        if isinstance(records, list | Fault):
            return records
        return Unavailable(f"{request.name}: the answer is of an unknown shape")

    def sale(self, request: Request) -> Sale | Fault | None:
        """Read the one sale a search finds, None if there is none."""
        found = self.search(request)
        if not isinstance(found, list):
            return found
        return read_sale(found[0], request.name) if found else None

    def _ask(self, request: Request, *, writes: bool) -> dict[str, Any] | list[Raw] | Fault | Moved | Taken:
        headers = (("content-type", "application/json"),) if request.body else ()
        if request.context is not None:
            headers = (*headers, ("x-tryton-context", request.context))
        answer = self._caller.send(
            request.method,
            request.path,
            operation=request.name,
            query=request.query,
            headers=headers,
            body=request.body,
        )
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            try:
                return read_json(answer)  # type: ignore[no-any-return]  # the callers check which of the two it is
            except UnreadableError as error:
                reason = f"{request.name}: {error}"
                return Uncertain(reason) if writes else Unavailable(reason)
        return fault_of(answer, request.name, writes=writes)


def read_sale(raw: Raw, name: str) -> Sale | Fault:
    """A sale out of an answer; Unavailable if the answer is of another shape."""
    try:
        return sale_of(raw)
    except (KeyError, TypeError, ValueError) as error:
        return Unavailable(f"{name}: the sale in the answer is of an unknown shape ({type(error).__name__})")
