"""The chain of deeds: whatever is changed, removed, inserted, moved or cut off is found, with and without the key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chain import START, Action, Anchor, Link, digest_of, link, verify

KEY, OLD_KEY = b"k" * 32, b"o" * 32
AT = datetime(2026, 11, 27, 8, tzinfo=UTC)

words = st.text(max_size=12)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
plain = st.dictionaries(words, values, max_size=3)
deeds = st.builds(
    Action,
    at=st.datetimes(timezones=st.just(UTC)),
    by=words,
    action=words,
    subject=words,
    reason=words,
    before=plain,
    after=plain,
    role=st.sampled_from(["", "reader", "operator"]),
    allowed=st.booleans(),
)


def chained(done: list[Action], keys: tuple[bytes, ...] = (KEY,)) -> list[Link]:
    links: list[Link] = []
    for number, one in enumerate(done, 1):
        links.append(link(one, number, links[-1].digest if links else START, keys))
    return links


def some(count: int) -> list[Action]:
    return [Action(AT + timedelta(seconds=n), "ann", "lane.pause", f"lane {n}", "why", {}, {"n": n}) for n in range(count)]


def rewritten(links: list[Link], from_place: int, **change: Any) -> list[Link]:
    """What somebody with the database but without the key can do: change one deed and write all later links anew."""
    done = [replace(one.done, **change) if one.sequence == from_place else one.done for one in links]
    return chained(done, ())


@given(st.lists(deeds, max_size=6))
def test_an_untouched_chain_is_whole(done: list[Action]) -> None:
    verdict = verify(chained(done), [KEY])

    assert verdict.whole
    assert (verdict.links, verdict.checked_seals, verdict.unsealed) == (len(done), len(done), 0)


@given(st.lists(deeds, min_size=1, max_size=5), st.data())
def test_a_change_of_any_field_of_any_link_is_found(done: list[Action], data: st.DataObject) -> None:
    links = chained(done, ())
    place = data.draw(st.integers(0, len(links) - 1))
    field = data.draw(st.sampled_from(["by", "action", "subject", "reason", "role", "allowed", "at", "before", "after"]))
    was = getattr(links[place].done, field)
    now: Any = {"allowed": not was, "at": AT if was != AT else AT + timedelta(microseconds=1)}.get(field)
    if now is None:
        now = {**was, "new": 1} if isinstance(was, dict) else was + "x"
    changed: dict[str, Any] = {field: now}
    links[place] = replace(links[place], done=replace(links[place].done, **changed))

    assert [fault.sequence for fault in verify(links).faults] == [place + 1]


@given(st.lists(deeds, min_size=2, max_size=6), st.data())
def test_a_removed_link_is_found(done: list[Action], data: st.DataObject) -> None:
    links = chained(done, ())
    place = data.draw(st.integers(0, len(links) - 2))
    del links[place]

    assert f"link {place + 1} is gone" in [fault.what for fault in verify(links).faults]


@given(st.lists(deeds, min_size=2, max_size=6, unique_by=repr), st.data())
def test_two_links_that_changed_places_are_found(done: list[Action], data: st.DataObject) -> None:
    links = chained(done, ())
    one, other = sorted(data.draw(st.sets(st.integers(0, len(links) - 1), min_size=2, max_size=2)))
    links[one], links[other] = replace(links[other], sequence=one + 1), replace(links[one], sequence=other + 1)

    assert {fault.sequence for fault in verify(links).faults} >= {one + 1, other + 1}


@given(st.lists(deeds, min_size=1, max_size=5), deeds, st.data())
def test_an_inserted_link_is_found(done: list[Action], new: Action, data: st.DataObject) -> None:
    links = chained(done, ())
    place = data.draw(st.integers(0, len(links) - 1))
    made = link(new, place + 1, links[place - 1].digest if place else START, ())
    later = [replace(one, sequence=one.sequence + 1) for one in links[place:]]

    assert not verify([*links[:place], made, *later]).whole


def test_a_link_that_is_there_twice_is_found() -> None:
    links = chained(some(3), ())

    assert "is there twice" in [fault.what for fault in verify([*links[:2], links[1], links[2]]).faults]


def test_a_deed_changed_with_a_digest_of_its_own_breaks_the_next_link() -> None:
    links = chained(some(3), ())
    forged = replace(links[1].done, by="bob")
    links[1] = replace(links[1], done=forged, digest=digest_of(forged, 2, links[1].previous))

    assert [(f.sequence, f.what) for f in verify(links).faults] == [(3, "does not follow link 2 as that stands")]


def test_a_chain_written_anew_without_the_key_passes_only_where_no_key_is_set() -> None:
    forged = rewritten(chained(some(4)), 2, by="bob")

    assert verify(forged).whole
    assert [fault.sequence for fault in verify(forged, [KEY]).faults] == [1, 2, 3, 4]


def test_the_old_seals_do_not_fit_a_chain_written_anew() -> None:
    links = chained(some(4))
    forged = [replace(new, seal=old.seal) for new, old in zip(rewritten(links, 2, by="bob"), links, strict=True)]

    assert [f.sequence for f in verify(forged, [KEY]).faults] == [2, 3, 4]
    assert {f.what for f in verify(forged, [KEY]).faults} == {"has a seal that none of the keys made"}


def test_an_anchor_finds_a_chain_written_anew_without_any_key() -> None:
    links = chained(some(4), ())
    pinned = Anchor.of(3, links[2].digest, AT, ())

    assert verify(links, (), [pinned]).whole
    (fault,) = verify(rewritten(links, 1, by="bob"), (), [pinned]).faults
    assert fault.sequence == 3
    assert "written anew" in fault.what


def test_a_cut_off_end_is_found_by_an_anchor_and_by_nothing_else() -> None:
    links = chained(some(4))
    pinned = Anchor.of(4, links[3].digest, AT, [KEY])

    assert verify(links[:2], [KEY]).whole
    (fault,) = verify(links[:2], [KEY], [pinned]).faults
    assert fault.sequence == 4
    assert "the chain ends at 2" in fault.what


def test_keys_overlap_while_they_rotate() -> None:
    old = chained(some(2), (OLD_KEY,))
    new = link(some(3)[2], 3, old[1].digest, (KEY, OLD_KEY))

    assert verify([*old, new], [KEY, OLD_KEY]).whole
    assert [fault.sequence for fault in verify([*old, new], [KEY]).faults] == [1, 2]


def test_links_from_before_the_first_key_need_an_anchor_sealed_by_it() -> None:
    unsealed = chained(some(2), ())
    links = [*unsealed, link(some(3)[2], 3, unsealed[1].digest, (KEY,))]
    bare, forged = Anchor.of(2, unsealed[1].digest, AT, ()), Anchor.of(2, unsealed[1].digest, AT, [OLD_KEY])

    assert verify(links, [KEY], [Anchor.of(2, unsealed[1].digest, AT, [KEY])]).whole
    assert [fault.sequence for fault in verify(links, [KEY], [bare]).faults] == [1, 2]
    assert [fault.sequence for fault in verify(links, [KEY], [forged]).faults] == [1, 2, 2]


def test_an_anchor_is_read_as_it_was_written() -> None:
    made = Anchor.of(7, "ab" * 32, AT, [KEY])

    assert Anchor.read(made.line()) == made
    with pytest.raises(ValueError, match="not a line of an anchor file"):
        Anchor.read('{"sequence": 7}')


def test_a_digest_is_the_same_in_every_zone_and_as_the_database_gives_values_back() -> None:
    done = Action(AT, "ann", "set", "lane", "why", {1: "one"}, {})  # type: ignore[dict-item]  # as some caller may write it
    same = replace(done, at=AT.astimezone(timezone(timedelta(hours=5))), before={"1": "one"})

    assert digest_of(done, 1, START) == digest_of(same, 1, START)


def test_at_most_so_many_faults_are_told() -> None:
    forged = rewritten(chained(some(9)), 1, by="bob")

    assert len(verify(forged, [KEY], most=5).faults) == 5
