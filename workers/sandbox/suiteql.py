"""The one SuiteQL query the sandbox answers: transactions by external id."""

import re

from workers.sandbox.fields import Json
from workers.sandbox.problems import invalid_request
from workers.sandbox.records import Store

_QUERY = re.compile(
    r"\s*SELECT\s+id\s*,\s*externalid\s*,\s*tranid\s+FROM\s+transaction\s+WHERE\s+externalid\s*=\s*'((?:[^']|'')*)'\s*",
    re.IGNORECASE,
)


def run(store: Store, body: Json) -> dict[str, object]:
    """The rows of the query in ``q``. Raises Refusal (400) for any other query."""
    query = body.get("q")
    found = _QUERY.fullmatch(query) if isinstance(query, str) else None
    if found is None:
        raise invalid_request(
            "Invalid search query. Detailed unprocessed description follows. This account answers only: "
            "SELECT id, externalid, tranid FROM transaction WHERE externalid = '...'"
        )
    external_id = found.group(1).replace("''", "'")
    items: list[dict[str, object]] = [
        {"links": [], "id": record.id, "externalid": record.external_id, "tranid": f"{record.type[:2].upper()}{record.id}"}
        for record in store.by_external_id(external_id)
    ]
    return {"links": [], "count": len(items), "hasMore": False, "items": items, "offset": 0, "totalResults": len(items)}
