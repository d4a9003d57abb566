"""Versions of a bundle, written together: each body is read back as it was told, whatever characters it is made of."""

from datetime import UTC, datetime

import ledger.documents
import ledger.events
from ledger import migrate
from ledger.documents import DocumentKey, NewVersion
from ledger.events import NewEvent
from ledger.session import Ledger

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
BODIES = ('{"name":"Bea"}', '{"name":"Zoë Łukasz 北京 😀"}', '{"note":"\\"quoted\\" \\\\ and\\nmore"}', "{}", '{"name":"é"}')


def test_bodies_of_one_bundle_are_read_back_whole_whatever_their_characters(ledger_url: str) -> None:
    book = Ledger(ledger_url)
    migrate.upgrade(book)
    keys = [DocumentKey("order", "shop", str(number)) for number in range(len(BODIES))]

    with book.write() as session:
        told = NewEvent("shop", "e", "orders/create", "orders", "normal", {}, b"{}", "c", NOW)
        event = ledger.events.accept(session, [told])[0].id
        heads = ledger.documents.lock(session, [(key, key.key) for key in keys], NOW)
        new = [
            NewVersion(heads[key].id, 1, event, key.key, "open", NOW, "digest", body)
            for key, body in zip(keys, BODIES, strict=True)
        ]
        ledger.documents.write(session, new, NOW)
    with book.write() as session:
        heads = ledger.documents.lock(session, [(key, key.key) for key in keys], NOW)
        found = ledger.documents.bodies(session, list(heads.values()))

    assert [found[heads[key].id] for key in keys] == list(BODIES)
    book.close()
