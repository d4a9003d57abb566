"""What a request came to: its answer, and what the log is to say of it."""

from dataclasses import dataclass

from workers.sandbox.problems import Answer


@dataclass(frozen=True, slots=True)
class Effect:
    """``lines`` says what each write was, or what was asked where nothing was written; ``commits`` counts what took effect."""

    answer: Answer
    lines: tuple[dict[str, object], ...] = ()
    commits: int = 0
