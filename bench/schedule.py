"""Plans the runs of one sitting: every bench once with everybody, then again with those that matter, until the time is over.

Rounds go round all benches, so that a slow minute of the machine hits none of them alone, and so that what does not fit any
more is a repetition and never a bench. Benches that compare rates have theirs before the others repeat. Against the product, the
best peer of the rounds so far is worth most.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.stage import Run

PRODUCT = "millrace"


@dataclass(frozen=True, slots=True)
class Bench:
    """One bench: who takes part, how often, and the figure that tells the best peer.

    ``rounds`` are those of the product, ``best_rounds`` those of the best peer, ``peer_rounds`` those of every other one.
    ``run_s`` is a first guess of one run's seconds, until one was seen.
    """

    title: str
    measures: Mapping[str, Callable[[], Run]]
    """By contender."""
    figure: str
    higher_is_better: bool
    rounds: int
    best_rounds: int = 1
    peer_rounds: int = 1
    run_s: float = 30.0
    only_best_of: str = ""
    """Title of an earlier bench: of the peers only its best one that can take part in this one does so."""
    rivals: tuple[str, ...] = ()
    """Peers that may be the best one; empty: all. One that has most of its requests refused is no rival, whatever it uses."""
    first: int = 1
    """So many rounds, as far as they are wished, are made before any bench that has had its own first ones is repeated."""


@dataclass(slots=True)
class Schedule:
    """What is still to run, what came of what has run, and how long the rest will take."""

    benches: Sequence[Bench]
    runs: dict[str, list[Run]] = field(default_factory=dict)
    _seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def next(self, left_s: float) -> tuple[Bench, str] | None:
        """The next run that fits into the time left; first runs are made whatever the time. None at the end."""
        for bench, contender in self._to_come():
            if not self._times(bench, contender) or self.guess_s(bench, contender) <= left_s:
                return bench, contender
        return None

    def note(self, bench: Bench, run: Run, took_s: float) -> None:
        """Take in what a run came to and how long it took."""
        self.runs.setdefault(bench.title, []).append(run)
        self._seconds.setdefault((bench.title, run.contender), []).append(took_s)

    def to_come_s(self) -> float:
        """Seconds that all wished runs still to come will take, as far as one can tell."""
        return sum(self.guess_s(bench, contender) for bench, contender in self._to_come())

    def guess_s(self, bench: Bench, contender: str) -> float:
        """Seconds of one run: what its last ones took, else what other contenders took in this bench, else the guess."""
        seen = self._seconds.get((bench.title, contender))
        seen = seen or [s for (title, _), took in self._seconds.items() if title == bench.title for s in took]
        return max(seen) if seen else bench.run_s

    def best_peer(self, bench: Bench) -> str | None:
        """The peer of this bench with the best median of its good runs so far, in this bench or the one it goes by."""
        judged_in = next((one for one in self.benches if one.title == bench.only_best_of), bench)
        choose = max if judged_in.higher_is_better else min
        found: dict[str, list[float]] = {}
        for run in self.runs.get(judged_in.title, []):
            if not run.void and judged_in.figure in run.figures:
                found.setdefault(run.contender, []).append(run.figures[judged_in.figure])
        may_be = (set(judged_in.rivals or found) & set(bench.measures)) - {PRODUCT}
        figures = {name: statistics.median(values) for name, values in found.items() if name in may_be}
        return choose(figures, key=lambda name: figures[name]) if figures else None

    def _to_come(self) -> list[tuple[Bench, str]]:
        most = max((bench.rounds for bench in self.benches), default=0)
        rounds = [(number, bench) for number in range(1, most + 1) for bench in self.benches]
        rounds.sort(key=lambda one: one[0] > one[1].first)
        return [
            (bench, contender)
            for number, bench in rounds
            for contender in bench.measures
            if number <= self._wished(bench, contender) and self._times(bench, contender) < number
        ]

    def _wished(self, bench: Bench, contender: str) -> int:
        if contender == PRODUCT:
            return bench.rounds
        if contender == self.best_peer(bench):
            return bench.best_rounds
        return 0 if bench.only_best_of and self.best_peer(bench) else bench.peer_rounds

    def _times(self, bench: Bench, contender: str) -> int:
        return sum(run.contender == contender for run in self.runs.get(bench.title, []))
