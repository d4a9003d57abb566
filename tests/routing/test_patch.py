"""Patches: a path names places, text takes the kind of what it replaces, the given document is left alone."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.patch import Difference, PatchError, Setting, apply, differences, merged

ORDER: dict[str, Any] = {
    "total": "10.00",
    "test": False,
    "note": None,
    "lines": [
        {"sku": "OLD", "quantity": 1, "taxes": [{"title": "VAT"}]},
        {"sku": "KEEP", "quantity": 2, "taxes": []},
    ],
}
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("total=12.50", {"total": "12.50"}),
        ("lines[*].sku=NEW", {"lines[0].sku": "NEW", "lines[1].sku": "NEW"}),
        ("lines[sku=OLD].sku=NEW", {"lines[0].sku": "NEW"}),
        ("lines[1].quantity=3", {"lines[1].quantity": 3}),
        ("lines[0].taxes[0].title=Sales tax", {"lines[0].taxes[0].title": "Sales tax"}),
        ("test=true", {"test": True}),
        ("note=a=b", {"note": "a=b"}),
        ("total:=12.50", {"total": "12.50"}),
    ],
)
def test_a_setting_changes_what_its_path_names_and_nothing_else(text: str, paths: dict[str, object]) -> None:
    before = copy.deepcopy(ORDER)

    after = apply(ORDER, [Setting.read(text)])

    assert {d.path: d.after for d in differences(ORDER, after)} == paths
    assert before == ORDER


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("total", "path=value"),
        ("lines[=x", "is no change"),
        ("lines[x].sku=A", "is no path"),
        ("lines[9].sku=A", "nothing in the document is there"),
        ("lines[sku=NONE].sku=A", "nothing in the document is there"),
        ("nothing.there=A", "nothing in the document is there"),
        ("total[0]=A", "needs a list"),
        ("lines[0].quantity=many", "no whole number"),
        ("test=maybe", "neither true nor false"),
        ("total:={", "is not JSON"),
        ("total:=NaN", "is not JSON"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(PatchError, match=said):
        apply(ORDER, [Setting.read(text)])


@given(plain, plain)
def test_differences_are_none_only_between_equals(one: Any, other: Any) -> None:
    assert differences(one, one) == []
    assert bool(differences({"at": one}, {"at": other})) == (_typed(one) != _typed(other))


@given(plain)
def test_an_empty_merge_patch_changes_nothing(document: Any) -> None:
    assert merged({"at": document}, {}) == {"at": document}


def test_a_merge_patch_merges_removes_and_replaces() -> None:
    after = merged(ORDER, {"note": "gift", "total": None, "lines": [{"sku": "ONE"}]})

    assert after == {"test": False, "note": "gift", "lines": [{"sku": "ONE"}]}
    assert Difference("note", None, "gift") in differences(ORDER, after)


def _typed(value: Any) -> Any:
    """A value with its kinds, in which nothing and null are the same and true is not 1."""
    if isinstance(value, dict):
        return {name: _typed(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    return (type(value).__name__, value)
