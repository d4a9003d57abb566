"""Causes: rows that fail alike have one, whatever ids, numbers and names their reasons hold."""

from hypothesis import assume, example, given
from hypothesis import strategies as st

from canonical.cause import LONGEST_TEXT, cause_of, normalised

words = st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=30)
numbers = st.integers(min_value=0, max_value=10**12)
names = st.text(alphabet=st.characters(exclude_characters="'\n", codec="utf-8"), max_size=30)


@given(words, numbers, numbers, words)
def test_numbers_make_no_difference(before: str, one: int, other: int, after: str) -> None:
    assert cause_of("c", f"{before} {one} {after}") == cause_of("c", f"{before} {other} {after}")


@given(words, names, names, words)
def test_quoted_names_make_no_difference(before: str, one: str, other: str, after: str) -> None:
    assert cause_of("c", f"{before} '{one}' {after}") == cause_of("c", f"{before} '{other}' {after}")


@given(words, st.uuids(), st.uuids())
def test_ids_make_no_difference(before: str, one: object, other: object) -> None:
    assert cause_of("c", f"{before} {one}") == cause_of("c", f"{before} {other}")


@given(st.text(max_size=500))
@example("a" * 199 + " 1")
@example("'a''b'")
def test_doing_it_twice_changes_nothing_and_it_stays_short(reason: str) -> None:
    once = normalised(reason)

    assert normalised(once) == once
    assert len(once) <= LONGEST_TEXT


@given(words, words)
def test_other_words_are_another_cause(one: str, other: str) -> None:
    assume(one.split() != other.split())

    assert cause_of("c", one).fingerprint != cause_of("c", other).fingerprint


def test_another_code_is_another_cause() -> None:
    assert cause_of("item.unknown", "refused").fingerprint != cause_of("tax.unknown", "refused").fingerprint


def test_what_is_left_can_be_read() -> None:
    told = "sandbox has no item for 'SKU-17' and 3 more; ask jane.doe@example.com about order #1001"

    assert normalised(told) == "sandbox has no item for … and # more; ask … about order ##".replace("##", "#")
