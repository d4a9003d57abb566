"""Decides what a patch makes of a JSON document: `lines[*].sku=NEW`, its differences, its mistakes. Pure."""

import copy
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\*|[0-9]+|[A-Za-z_][A-Za-z0-9_-]*=[^\]]*)\]")
MOST_SETTINGS = 50


class PatchError(ValueError):
    """The patch cannot be read, or fits nowhere in the document; the message says which part."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One change: where, and what is put there. ``plain``: ``value`` is text, read as the kind of value it replaces."""

    path: str
    value: Any
    plain: bool = True

    @classmethod
    def read(cls, text: str) -> "Setting":
        """Parse ``path=text`` or ``path:=JSON``. Raises PatchError with the grammar."""
        found = re.fullmatch(r"((?:\[[^\]]*\]|[^=\[])+?)(:?=)(.*)", text, re.DOTALL)
        if found is None:
            raise PatchError(f"{text!r} is no change: write path=value (lines[*].sku=NEW-1) or path:=JSON (test:=true)")
        path, sign, value = found.groups()
        steps(path)
        if sign == "=":
            return cls(path, value)
        try:
            # An amount stays as it is written: a float would not.
            return cls(path, json.loads(value, parse_float=str, parse_constant=_no_number), plain=False)
        except ValueError:
            raise PatchError(f"{path}: {value!r} is not JSON") from None


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two documents differ, as a path, with both values (None: absent)."""

    path: str
    before: Any
    after: Any


def steps(path: str) -> list[str]:
    """``lines[sku=A].taxes[0].title`` as steps. Raises PatchError."""
    found, end = [], 0
    for match in _STEP.finditer(path):
        if match.start() != end:
            break
        found.append(match[1] or f"[{match[2]}]")
        end = match.end()
    if not found or end != len(path):
        raise PatchError(f"{path!r} is no path: write total, lines[0].sku, lines[*].sku or lines[sku=OLD].sku")
    return found


def apply(document: Any, settings: Sequence[Setting]) -> Any:
    """The document with every setting made, in their order; the one given is left alone. Raises PatchError."""
    if len(settings) > MOST_SETTINGS:
        raise PatchError(f"more than {MOST_SETTINGS} changes in one patch")
    changed = copy.deepcopy(document)
    for setting in settings:
        *way, last = steps(setting.path)
        places = list(_places(changed, way, setting.path))
        for place in places:
            _put(place, last, setting)
        if not places:
            raise PatchError(f"{setting.path}: nothing in the document is there")
    return changed


def differences(before: Any, after: Any, path: str = "") -> list[Difference]:
    """Where two documents differ, in the order of the paths of the first, then those only in the second."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = dict.fromkeys([*before, *after])
        inner = ((f"{path}.{n}" if path else n, before.get(n), after.get(n)) for n in names)
    elif isinstance(before, list) and isinstance(after, list):
        return _list_differences(before, after, path)
    else:
        return [] if before == after and type(before) is type(after) else [Difference(path, before, after)]
    return [d for at, one, other in inner for d in differences(one, other, at)]


def _list_differences(before: list[Any], after: list[Any], path: str) -> list[Difference]:
    both = min(len(before), len(after))
    found = [d for i in range(both) for d in differences(before[i], after[i], f"{path}[{i}]")]
    found += [Difference(f"{path}[{i}]", before[i], None) for i in range(both, len(before))]
    return found + [Difference(f"{path}[{i}]", None, after[i]) for i in range(both, len(after))]


def merged(document: Any, patch: Any) -> Any:
    """The document with a JSON merge patch (RFC 7396) applied: objects are merged, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    whole = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            whole.pop(name, None)
        else:
            whole[name] = merged(whole.get(name), value)
    return whole


def _places(here: Any, way: Sequence[str], path: str) -> Iterator[Any]:
    if not way:
        yield here
        return
    for place in _keys(here, way[0], path):
        yield from _places(here[place], way[1:], path)


def _put(place: Any, last: str, setting: Setting) -> None:
    if isinstance(place, dict) and not last.startswith("["):
        place[last] = _value(place.get(last), setting)
        return
    keys = list(_keys(place, last, setting.path))
    if not keys:
        raise PatchError(f"{setting.path}: nothing in the document is there")
    for key in keys:
        place[key] = _value(place[key], setting)


def _keys(here: Any, step: str, path: str) -> Iterator[Any]:
    """Which parts of ``here`` a step names."""
    if not step.startswith("["):
        if isinstance(here, dict) and step in here and here[step] is not None:
            yield step
        return
    if not isinstance(here, list):
        raise PatchError(f"{path}: {step} needs a list")
    inner = step[1:-1]
    name, equals, wanted = inner.partition("=")
    for position, part in enumerate(here):
        if inner == "*" or (equals and isinstance(part, dict) and str(part.get(name)) == wanted) or inner == str(position):
            yield position


def _value(old: Any, setting: Setting) -> Any:
    if not setting.plain or not isinstance(old, int):
        return setting.value
    if isinstance(old, bool):
        if setting.value not in ("true", "false"):
            raise PatchError(f"{setting.path}: {setting.value!r} is neither true nor false")
        return setting.value == "true"
    try:
        return int(setting.value)
    except ValueError:
        raise PatchError(f"{setting.path}: {setting.value!r} is no whole number") from None


def _no_number(text: str) -> Any:
    raise ValueError(text)
