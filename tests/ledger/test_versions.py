"""Versions of a bundle, written together: each body is read back as it was told, whatever characters it is made of."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

import ledger.documents
import ledger.events
from ledger import migrate
from ledger.documents import DocumentKey, NewVersion, State
from ledger.events import NewEvent
from ledger.schema import documents
from ledger.session import Ledger

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
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


def test_a_document_created_in_its_first_state_shows_it_at_once_and_is_not_written_again(ledger_url: str) -> None:
    book = Ledger(ledger_url)
    migrate.upgrade(book)
    told, waited_for = DocumentKey("order", "shop", "1"), DocumentKey("order", "shop", "2")
    wanted = [(told, "1"), (waited_for, "2")]
    first = {told: State("#1", "open", NOW, "digest")}

    with book.write() as session:
        event = ledger.events.accept(session, [NewEvent("shop", "e", "orders/create", "orders", "normal", {}, b"{}", "c", NOW)])
        created = ledger.documents.lock(session, wanted, NOW, first)
        new = NewVersion(created[told].id, 1, event[0].id, "#1", "open", NOW, "digest", "{}")
        ledger.documents.write(session, [new], LATER, begun={row.id for row in created.values() if row.begun})
        shown = session.execute(select(documents.c.key, documents.c.number, documents.c.updated_at)).all()
    with book.write() as session:
        again = ledger.documents.lock(session, wanted, LATER, first)

    assert {key: (row.version, row.digest, row.begun) for key, row in created.items()} == {
        told: (0, None, True),
        waited_for: (0, None, False),
    }
    assert {row.key: (row.number, row.updated_at) for row in shown} == {"1": ("#1", NOW), "2": (None, NOW)}
    assert (again[told].version, again[told].status, again[told].digest, again[told].begun) == (1, "open", "digest", False)
    assert (again[waited_for].version, again[waited_for].status, again[waited_for].begun) == (0, "expected", False)
    book.close()
