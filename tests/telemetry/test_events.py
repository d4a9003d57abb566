"""The list of event names."""

import re

from telemetry.events import Name


def test_every_name_is_a_path_of_thing_verb_and_state() -> None:
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\.[a-z]+", name) for name in Name)


def test_the_constant_is_spelled_like_the_path() -> None:
    assert all(name.name == name.value.replace(".", "_").upper() for name in Name)


def test_every_start_has_an_end() -> None:
    ends = {name.rpartition(".")[0] for name in Name if not name.endswith(".start")}

    assert {name.rpartition(".")[0] for name in Name if name.endswith(".start")} <= ends
