"""Letters: row ids and nothing else, bundled by queue."""

import json

from hypothesis import given
from hypothesis import strategies as st

from routing.letters import MOST_ROWS, Parcel, deliver_letters, prepare_letters

parcels = st.lists(
    st.builds(
        Parcel,
        id=st.integers(min_value=1, max_value=10**12),
        target=st.sampled_from(["netsuite", "tryton"]),
        domain=st.sampled_from(["orders", "returns"]),
        operation=st.sampled_from(["order.create", "order.cancel"]),
        since=st.integers(min_value=0, max_value=10**10),
        cls=st.sampled_from(["high", "normal", "low"]),
        calls=st.integers(min_value=1, max_value=6),
        business_key=st.text(max_size=30),
    ),
    max_size=60,
    unique_by=lambda parcel: parcel.id,
)


@given(parcels)
def test_every_delivery_is_in_one_letter_of_its_own_family_class_and_operation(given_parcels: list[Parcel]) -> None:
    letters = deliver_letters(given_parcels, 8)

    by_queue = {(p.id, f"deliver.{p.target}.{p.domain}.{p.cls}") for p in given_parcels}
    assert {(row, letter.queue) for letter in letters for row in letter.rows} == by_queue
    assert sum(letter.calls for letter in letters) == sum(p.calls for p in given_parcels)
    assert all(len(letter.rows) <= 8 for letter in letters)
    by_row = {p.id: p for p in given_parcels}
    for letter in letters:
        held = [by_row[row] for row in letter.rows]
        assert {p.operation for p in held} == {letter.operation}
        assert letter.since == min(p.since for p in held)


@given(st.lists(st.integers(min_value=1, max_value=10**15), max_size=200))
def test_a_letter_holds_row_ids_and_nothing_else(ids: list[int]) -> None:
    letters = prepare_letters("orders", "high", ids)

    assert [row for letter in letters for row in letter.rows] == ids
    assert all(len(letter.rows) <= MOST_ROWS for letter in letters)
    assert all(json.loads(letter.body()) == [[list(letter.rows)], {}, {}] for letter in letters)


def test_a_letter_for_a_rung_keeps_its_way_back() -> None:
    letter = deliver_letters([Parcel(1, "netsuite", "orders", "low", "order.create", 1, "k", 0)])[0]

    assert (letter.exchange, letter.queue) == ("work", "deliver.netsuite.orders.low")
