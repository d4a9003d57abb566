"""Rules of the failure desk in the fleet file: names must meet, patterns are words or their beginnings."""

import pytest
from pydantic import ValidationError

from config.fleet import DeskRule, Fleet
from config.settings import load_settings


def _fleet(**rule: object) -> Fleet:
    shipped = load_settings({}).fleet.model_dump(by_alias=True)
    return Fleet.model_validate(shipped | {"desk": [rule]})


def test_a_rule_names_owner_and_time() -> None:
    [rule] = _fleet(**{"owner": "finance", "due_s": 60, "class": "rejected", "code": "tax.*"}).desk

    assert rule == DeskRule.model_validate({"owner": "finance", "due_s": 60, "class": "rejected", "code": "tax.*"})


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"owner": "x", "target": "sandbx"}, "did you mean 'sandbox'"),
        ({"owner": "x", "source": "shopfy"}, "did you mean 'shopify'"),
        ({"owner": "x", "class": "sad"}, "class"),
        ({"owner": "x", "code": "a*b"}, "code"),
        ({"owner": "", "code": "a"}, "owner"),
        ({"owner": "x", "due_s": 0}, "due_s"),
    ],
)
def test_a_wrong_rule_is_refused(rule: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _fleet(**rule)
