"""Names what may come back from one HTTP exchange: a closed set of three values."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status. Header names are in lower case; the body is as it came, never decoded."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    elapsed_s: float

    def header(self, name: str) -> str | None:
        """First value of a header, None if it is absent."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), None)


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not one byte of the request left: nothing can have taken effect. ``wait_s`` is set when no permit came in time
    (infinite when the throttle could not be asked).
    """

    reason: str
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The request, or a part of it, may have arrived and no whole answer came: the outcome is unknown."""

    reason: str
    silent: bool = False
    """True when not one byte of an answer was seen."""


Exchange = Answer | NotSent | Lost
