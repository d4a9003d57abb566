"""The garbage collector of a worker: seldom, and never over what was loaded at its start."""

import gc
from collections.abc import Iterator

import pytest

from workers.collector import NEW_OBJECTS, collect_seldom


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_is_there_is_left_alone_and_the_next_look_comes_after_many_objects() -> None:
    collect_seldom()

    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == NEW_OBJECTS


def test_cycles_are_still_found() -> None:
    collect_seldom()
    for _ in range(100):
        cycle: list[object] = []
        cycle.append(cycle)
    del cycle

    assert gc.collect() >= 100
