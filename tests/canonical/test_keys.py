"""Keys of effects: deterministic, short enough, never shared by two documents."""

import re

from hypothesis import given
from hypothesis import strategies as st

from canonical.keys import fit

texts = st.text(min_size=1, max_size=120)


@given(texts, texts, st.integers(min_value=16, max_value=60))
def test_a_key_fits_and_is_plain_and_always_the_same(source: str, key: str, length: int) -> None:
    made = fit(source, key, length)

    assert len(made) <= length
    assert re.fullmatch(r"[A-Za-z0-9_-]+", made)
    assert made == fit(source, key, length)


@given(texts, texts, texts)
def test_two_documents_of_one_source_never_share_a_key(source: str, one: str, other: str) -> None:
    if one != other:
        assert fit(source, one, 35) != fit(source, other, 35)


def test_two_sources_never_share_a_key() -> None:
    assert fit("shop", "eu-1", 100) != fit("shop-eu", "1", 100)


def test_a_short_plain_key_stays_readable() -> None:
    assert fit("shopify-eu", "1001", 35) == "shopify-eu_1001"
