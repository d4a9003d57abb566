"""Describes an exception by what can hold no customer data: the types of its chain and the places they passed."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

MOST_LINKS = 5
MOST_FRAMES = 20


@dataclass(frozen=True, slots=True)
class Link:
    """One exception of a chain. `frames` read `file:line function`, the innermost last."""

    type_name: str
    frames: tuple[str, ...]


def chain(error: BaseException) -> tuple[Link, ...]:
    """The error and what caused it, outermost first; texts and local variables are left out."""
    return tuple(Link(type_name(link), _frames(link)) for link in _linked(error))


def type_name(error: BaseException) -> str:
    """`package.Type`, or the bare name of a built-in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _linked(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < MOST_LINKS:
        yield link
        seen.add(id(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _frames(error: BaseException) -> tuple[str, ...]:
    places = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return tuple(
        f"{'/'.join(PurePath(code.co_filename).parts[-2:])}:{line} {code.co_qualname}" for code, line in places[-MOST_FRAMES:]
    )
