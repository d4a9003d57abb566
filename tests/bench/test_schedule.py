"""A sitting runs everything once, repeats what matters while there is time, and finds the best peer on its way."""

from dataclasses import replace

from bench.schedule import Bench, Schedule
from bench.stage import Run


def no_run() -> Run:
    raise AssertionError("a schedule plans and never runs")


def bench(title: str = "throttled", only_best_of: str = "", run_s: float = 10.0) -> Bench:
    measures = dict.fromkeys(("millrace", "slow", "fast"), no_run)
    return Bench(title, measures, "used", True, rounds=3, best_rounds=2, peer_rounds=1, run_s=run_s, only_best_of=only_best_of)


def play(schedule: Schedule, left_s: float = 1_000.0, took_s: float = 10.0) -> list[tuple[str, str]]:
    """Run the whole schedule with ``fast`` as the best peer; the order of its runs."""
    order = []
    while (chosen := schedule.next(left_s)) is not None:
        one, contender = chosen
        schedule.note(one, Run(contender, {"used": 0.9 if contender == "fast" else 0.5}), took_s)
        order.append((one.title, contender))
        left_s -= took_s
    return order


def test_the_product_runs_most_then_the_best_peer_then_the_others() -> None:
    order = [contender for _, contender in play(Schedule([bench()]))]

    assert order == ["millrace", "slow", "fast", "millrace", "fast", "millrace"]


def test_rounds_go_round_all_benches() -> None:
    titles = [title for title, contender in play(Schedule([bench("one"), bench("two")])) if contender == "millrace"]

    assert titles == ["one", "two"] * 3


def test_first_runs_are_made_whatever_the_time_and_repetitions_only_if_they_fit() -> None:
    assert [contender for _, contender in play(Schedule([bench()]), left_s=5.0)] == ["millrace", "slow", "fast"]
    assert len(play(Schedule([bench()]), left_s=45.0)) == 4


def test_a_bench_may_take_only_the_best_peer_of_an_earlier_one() -> None:
    order = play(Schedule([bench("one"), bench("two", only_best_of="one")]))

    assert {contender for title, contender in order if title == "two"} == {"millrace", "fast"}


def test_a_bench_takes_the_best_peer_that_can_take_part_in_it() -> None:
    earlier = bench("one")
    without_the_fast_one = Bench("two", dict.fromkeys(("millrace", "slow"), no_run), "used", True, 3, only_best_of="one")

    order = play(Schedule([earlier, without_the_fast_one]))

    assert {contender for title, contender in order if title == "two"} == {"millrace", "slow"}


def test_who_is_no_rival_is_not_the_best_peer_whatever_its_figure() -> None:
    order = play(Schedule([replace(bench(), rivals=("slow",))]))

    assert [order.count(("throttled", contender)) for contender in ("millrace", "slow", "fast")] == [3, 2, 1]


def test_a_bench_with_more_first_rounds_has_them_before_the_others_are_repeated() -> None:
    order = play(Schedule([bench("one"), replace(bench("two"), first=3)]))

    assert {title for title, _ in order[:6]} == {"one", "two"}
    assert [title for title, _ in order[6:]] == ["two"] * 3 + ["one"] * 3


def test_the_best_peer_is_the_one_with_the_best_median_not_with_the_best_or_last_run() -> None:
    schedule = Schedule([bench()])
    for used in (0.6, 0.95, 0.6):
        schedule.note(bench(), Run("slow", {"used": used}), 10.0)
    for used in (0.9, 0.8, 0.5):
        schedule.note(bench(), Run("fast", {"used": used}), 10.0)

    assert schedule.best_peer(bench()) == "fast"


def test_a_void_run_makes_no_best_peer() -> None:
    schedule = Schedule([bench()])
    schedule.note(bench(), Run("slow", {"used": 0.99}, "1 lost"), 10.0)
    schedule.note(bench(), Run("fast", {"used": 0.9}), 10.0)

    assert schedule.best_peer(bench()) == "fast"


def test_the_time_left_is_told_from_what_runs_took() -> None:
    schedule = Schedule([bench(run_s=10.0)])
    before_s = schedule.to_come_s()

    schedule.note(bench(), Run("millrace", {"used": 0.9}), 30.0)

    assert before_s == 50.0
    assert schedule.to_come_s() == 120.0
