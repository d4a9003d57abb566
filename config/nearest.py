"""Sets the tone of a configuration error: what is wrong, where, and the nearest right name."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the key and the nearest right one. The boot stops."""


def hint(wrong: str, known: Iterable[str]) -> str:
    """``did you mean 'netsuite'?`` or the list of what is known."""
    choices = sorted(known)
    close = get_close_matches(wrong, choices, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(choices) or 'none'}"


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """One line a mistake, with the path inside ``where`` and the nearest right key for an unknown one."""
    return "\n".join(_line(item["loc"], item["type"], item["msg"], model, where) for item in error.errors())


def _line(path: tuple[int | str, ...], kind: str, message: str, model: type[BaseModel], where: str) -> str:
    dotted = ".".join(str(part) for part in path) or "(whole file)"
    if kind != "extra_forbidden":
        return f"{where}: {dotted}: {message}"
    return f"{where}: {dotted}: unknown key; {hint(str(path[-1]), _fields_at(model, path[:-1]))}"


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Field names of the model that sits at ``path``; containers in between are looked through."""
    here = model
    for part in path:
        field = here.model_fields.get(str(part))
        inner = None if field is None else _model_in(field.annotation)
        here = inner or here
    return list(here.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
