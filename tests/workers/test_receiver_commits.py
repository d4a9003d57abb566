"""What a 2xx is worth: it comes after the commit, many requests share one, and a ledger that is away costs nothing but time."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psycopg
from sqlalchemy import text

from ledger.session import Ledger
from tests.live import wait_until
from tests.workers.receiver_process import Response, Running, receiver

BODY = b'{"id": 1}'
DOWN = "postgresql://nobody:nothing@127.0.0.1:1/nowhere"


@contextmanager
def held(ledger_url: str) -> Iterator[Callable[[], None]]:
    """A ledger in which no event can be written until the given function is called."""
    ledger = Ledger(ledger_url)
    with ledger.engine.connect() as session:
        transaction = session.begin()
        if ledger_url.startswith("postgresql"):
            session.execute(text("LOCK TABLE events IN EXCLUSIVE MODE"))
        try:
            yield transaction.rollback
        finally:
            if transaction.is_active:
                transaction.rollback()
    ledger.close()


def rows(ledger_url: str) -> list[tuple[int, str]]:
    ledger = Ledger(ledger_url)
    with ledger.read() as session:
        found = [(int(row[0]), str(row[1])) for row in session.execute(text("SELECT id, event_key FROM events"))]
    ledger.close()
    return found


def commits(running: Running) -> float:
    return running.metric("millrace_intake_commit_seconds_count")


def waiting(running: Running) -> int:
    return int(running.ask("GET", "/ready").json()["waiting"])


def test_requests_that_came_while_a_commit_ran_share_the_next(ledger_url: str) -> None:
    with receiver(ledger_url) as running, ThreadPoolExecutor(64) as senders:
        with held(ledger_url) as let_go:
            answers = [senders.submit(running.post, BODY, f"e{n}") for n in range(64)]
            wait_until(lambda: waiting(running) == 64, 10, "64 requests waiting")
            let_go()
            assert [a.result().status for a in answers] == [200] * 64

        assert len(rows(ledger_url)) == 64
        assert len({a.result().json()["id"] for a in answers}) == 64
        assert commits(running) <= 3


def test_the_same_event_twenty_times_at_once_is_one_row_and_twenty_times_200(ledger_url: str) -> None:
    with receiver(ledger_url) as running, ThreadPoolExecutor(20) as senders:
        answers = list(senders.map(lambda _: running.post(BODY, "same"), range(20)))

        assert [answer.status for answer in answers] == [200] * 20
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len(rows(ledger_url)) == 1
        lines = running.ask("GET", "/metrics").body.decode().splitlines()
        assert any("duplicate" in line.lower() and line.endswith(" 19.0") for line in lines), lines


def test_no_answer_comes_before_the_commit(ledger_url: str) -> None:
    with receiver(ledger_url) as running, ThreadPoolExecutor(1) as sender, held(ledger_url) as let_go:
        answer = sender.submit(running.post, BODY, "early")
        wait_until(lambda: waiting(running) == 1, 10, "the request waiting")

        assert not answer.done()
        let_go()
        assert answer.result().status == 200


def test_a_ledger_that_does_not_answer_is_503_and_a_second_try_is_kept_once(ledger_url: str) -> None:
    with receiver(ledger_url) as running:
        with held(ledger_url):
            answer = running.post(BODY, "late")
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0

        wait_until(lambda: running.post(BODY, "late").status == 200, 20, "the ledger back")
        assert len(rows(ledger_url)) == 1


def test_every_answered_event_is_there_after_a_kill(ledger_url: str) -> None:
    answered: list[str] = []
    with receiver(ledger_url) as running:

        def send(name: int) -> None:
            with suppress(OSError):
                for number in range(10_000):
                    event = f"{name}-{number}"
                    if running.post(BODY, event).status == 200:
                        answered.append(event)

        senders = [threading.Thread(target=send, args=(name,)) for name in range(8)]
        for sender in senders:
            sender.start()
        wait_until(lambda: len(answered) > 100, 30, "100 answers")
        running.process.send_signal(signal.SIGKILL)
        for sender in senders:
            sender.join(20)

    kept = {key.rpartition("/")[2] for _, key in rows(ledger_url)}
    assert set(answered) <= kept


def test_a_receiver_told_to_stop_answers_what_it_has_and_ends(ledger_url: str) -> None:
    with receiver(ledger_url) as running, ThreadPoolExecutor(8) as senders:
        with held(ledger_url) as let_go:
            answers = [senders.submit(running.post, BODY, f"last{n}") for n in range(8)]
            wait_until(lambda: waiting(running) == 8, 10, "8 requests waiting")
            running.process.send_signal(signal.SIGTERM)
            let_go()
            assert [a.result().status for a in answers] == [200] * 8
        assert running.process.wait(15) == 0

    assert len(rows(ledger_url)) == 8


def test_a_receiver_whose_ledger_hangs_still_ends(sqlite_url: str) -> None:
    with receiver(sqlite_url) as running, ThreadPoolExecutor(1) as sender, held(sqlite_url):
        answer = sender.submit(running.post, BODY, "stuck")
        wait_until(lambda: waiting(running) == 1, 10, "the request waiting")
        running.process.send_signal(signal.SIGTERM)

        assert running.process.wait(20) == 0
        assert _status(answer.result) in (503, 0)


def test_without_a_ledger_everything_is_503_and_not_ready() -> None:
    with receiver(DOWN, migrate=False) as running:
        assert running.post(BODY, "nowhere").status == 503
        assert running.ask("GET", "/ready").status == 503
        assert running.ask("GET", "/health").status == 200


def test_a_database_that_goes_away_and_comes_back_is_used_again(postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    with (
        receiver(postgres_url) as running,
        psycopg.connect(postgres_url.rpartition("/")[0] + "/postgres", autocommit=True) as admin,
    ):
        assert running.post(BODY, "before").status == 200
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        assert running.post(BODY, "during").status == 503
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())

        assert running.post(BODY, "during").status == 200
    assert len(rows(postgres_url)) == 2


def test_one_event_the_ledger_cannot_take_does_not_cost_the_others(postgres_url: str) -> None:
    with receiver(postgres_url) as running, ThreadPoolExecutor(8) as senders:
        ledger = Ledger(postgres_url)
        with ledger.write() as session:
            session.execute(text("ALTER TABLE events ADD CONSTRAINT refused CHECK (event_key NOT LIKE '%poison')"))
        ledger.close()
        with held(postgres_url) as let_go:
            answers = {e: senders.submit(running.post, BODY, e) for e in ("a", "b", "poison", "c")}
            wait_until(lambda: waiting(running) == 4, 10, "4 requests waiting")
            let_go()
            statuses = {event: answer.result().status for event, answer in answers.items()}

    assert statuses == {"a": 200, "b": 200, "poison": 503, "c": 200}


def test_a_lone_request_is_committed_at_once(sqlite_url: str) -> None:
    with receiver(sqlite_url) as running:
        running.post(BODY, "warm")
        began = time.monotonic()
        assert running.post(BODY, "lone").status == 200

        assert time.monotonic() - began < 5


def _status(result: Callable[[], Response]) -> int:
    """The status, 0 for a connection that ended without one."""
    try:
        return result().status
    except OSError:
        return 0
