"""The SuiteQL queries the sandbox answers: transactions by one external id, sales orders by many."""

import re

from workers.sandbox.fields import Json
from workers.sandbox.problems import invalid_request
from workers.sandbox.records import Store

_QUERY = re.compile(
    r"\s*SELECT\s+id\s*,\s*externalid\s*,\s*tranid\s+FROM\s+transaction\s+WHERE\s+externalid\s*=\s*'((?:[^']|'')*)'\s*",
    re.IGNORECASE,
)

_MANY = re.compile(
    r"\s*SELECT\s+id\s*,\s*externalid((?:\s*,\s*custbody\w+)?)\s+FROM\s+transaction\s+WHERE\s+type\s*=\s*'SalesOrd'\s+"
    r"AND\s+externalid\s+IN\s*\(((?:\s*'(?:[^']|'')*'\s*,?)+)\)\s*",
    re.IGNORECASE,
)
_TEXT = re.compile(r"'((?:[^']|'')*)'")


def run(store: Store, body: Json) -> dict[str, object]:
    """The rows of the query in ``q``. Raises Refusal (400) for any other query."""
    query = body.get("q")
    found = _QUERY.fullmatch(query) if isinstance(query, str) else None
    if isinstance(query, str) and (many := _MANY.fullmatch(query)):
        return _rows(_orders(store, many[1].strip(" ,").lower(), _TEXT.findall(many[2])))
    if found is None:
        raise invalid_request(
            "Invalid search query. Detailed unprocessed description follows. This account answers only: "
            "SELECT id, externalid, tranid FROM transaction WHERE externalid = '...' and "
            "SELECT id, externalid[, custbody...] FROM transaction WHERE type = 'SalesOrd' AND externalid IN ('...', ...)"
        )
    external_id = found.group(1).replace("''", "'")
    items: list[dict[str, object]] = [
        {"links": [], "id": record.id, "externalid": record.external_id, "tranid": f"{record.type[:2].upper()}{record.id}"}
        for record in store.by_external_id(external_id)
    ]
    return _rows(items)


def _orders(store: Store, column: str, external_ids: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for told in external_ids:
        record = store.find("salesOrder", f"eid:{told.replace(chr(39) * 2, chr(39))}")
        if record is not None:
            more = {column: str(record.header[column])} if column in record.header else {}
            rows.append({"links": [], "id": record.id, "externalid": record.external_id, **more})
    return rows


def _rows(items: list[dict[str, object]]) -> dict[str, object]:
    return {"links": [], "count": len(items), "hasMore": False, "items": items, "offset": 0, "totalResults": len(items)}
