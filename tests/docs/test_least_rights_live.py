"""The rights that docs/operate.md gives in PostgreSQL and Redis are enough for the work, and for no more."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

import ledger.alerts
import ledger.controls
from adapters.throttle.base import Ask, Denied, Granted, Limit
from adapters.throttle.redis import RedisThrottle, connect
from canonical.outcome import Uncertain
from config.fleet import ServiceLevels
from ledger import migrate
from ledger.actions import Actor
from ledger.failures import FailureKey
from ledger.session import Ledger
from tasks.reconcile import reconcile
from tasks.replay import retry
from telemetry.gauges import Reading
from tests.docs.pages import page
from tests.documents import a_return, a_settlement, a_settlement_line, a_shipment, an_order, at
from tests.tasks.world import a_world
from workers.notify.away import RedisMarks
from workers.notify.book import Manners
from workers.notify.destinations import Destinations
from workers.notify.notifier import Notifier
from workers.watch import promises_of


@pytest.fixture
def app_url(postgres_url: str) -> Iterator[str]:
    """The ledger as the processes reach it: upgraded by its owner, then the page's grants."""
    owner = Ledger(postgres_url)
    migrate.upgrade(owner)
    owner.close()
    role = f"app_{uuid4().hex[:12]}"
    (grants,) = page("docs/operate.md").blocks("sql")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'test'".encode())
        admin.execute(re.sub(r"\bfleet\b", role, grants).encode())
    place = urlsplit(postgres_url)
    yield postgres_url.replace(place.netloc, f"{role}:test@{place.netloc.rpartition('@')[2]}")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {role}".encode())
        admin.execute(f"DROP ROLE {role}".encode())


def test_the_processes_work_with_the_rights_of_the_page(app_url: str) -> None:
    with a_world(app_url) as world:
        world.erp.script.append(Uncertain("connection reset"))
        unknown = an_order("1002", lines=[{"key": "1", "sku": "NO-SUCH", "quantity": 1, "unit_price": "10.00"}])
        world.prepare(*world.tell(a_shipment()))
        world.prepare(*world.tell(an_order(), an_order(told_at=1, note="new"), a_return(), unknown))
        world.prepare(*world.tell(a_settlement(told_at=1)))
        world.prepare(*world.tell(a_settlement("PO-1", a_settlement_line(amount="9.00"), told_at=2)))
        assert reconcile(world.context).opened == 1
        world.work()
        ((parked,),) = world.rows("select id from deliveries where state = 'parked'")
        retry(world.context, [FailureKey.read(f"d{parked}")], Actor("test", ""))
        with world.ledger.write() as session:
            ledger.controls.put(session, "paused.orders", {}, world.clock.now())
            assert ledger.controls.remove(session, "paused.orders")

        assert {effect.operation for effect in world.erp.effects} == {
            "order.create",
            "order.update",
            "shipment.create",
            "return.create",
        }


def test_the_relay_watches_and_forgets_with_the_rights_of_the_page(app_url: str) -> None:
    opened, seen = Ledger(app_url), Reading("millrace_dead_letters_recent", 1)
    clock = [at(0)]
    promises = promises_of(ServiceLevels())
    one = Notifier(
        opened, lambda: (seen,), Destinations({}), promises=promises, bounds={}, installation="test", manners=Manners(),
        now=lambda: clock[0],
    )  # fmt: skip

    one.round()
    clock[0] = at(60)
    one.round()

    with opened.read() as session:
        (alert,) = ledger.alerts.listed(session, 10, resolved=True)
    opened.close()
    assert (alert.name, alert.state, alert.told) == ("MillraceDeadLetters", "firing", "firing")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events",
        "DROP TABLE attempts",
        "TRUNCATE deliveries",
        "CREATE TABLE x (y int)",
        "UPDATE actions SET reason = 'none'",
        "ALTER TABLE actions DISABLE TRIGGER USER",
    ],
)
def test_the_processes_may_not_destroy(app_url: str, statement: str) -> None:
    opened = Ledger(app_url)

    with pytest.raises(ProgrammingError), opened.write() as session:
        session.execute(text(statement))
    opened.close()


@pytest.fixture
def worker_url(redis_url: str) -> Iterator[str]:
    """Redis as the page's user reaches it."""
    found = re.search(r"^ACL SETUSER .*$", page("docs/operate.md").text, re.MULTILINE)
    assert found
    user = f"user{uuid4().hex[:12]}"
    words = found.group().replace(" millrace ", f" {user} ").replace(">PASSWORD", ">test").split()
    place = urlsplit(redis_url)
    with redis.Redis.from_url(redis_url) as admin:
        admin.execute_command(*words)
        yield redis_url.replace(place.netloc, f"{user}:test@{place.netloc.rpartition('@')[2]}")
        admin.execute_command("ACL", "DELUSER", user)


def test_a_worker_throttles_with_the_rights_of_the_page(worker_url: str) -> None:
    throttle = RedisThrottle(connect(worker_url), "netsuite", Limit(rate_per_s=50, burst=2, concurrency=1))

    permit = throttle.acquire(Ask(1))
    assert isinstance(permit, Granted)
    assert isinstance(throttle.acquire(Ask(1)), Denied)
    more = throttle.extend(permit, 1)
    throttle.release(permit, 0)
    throttle.pause(5.0, "Retry-After")

    assert isinstance(more, Granted | Denied)
    assert isinstance(throttle.acquire(Ask(1)), Denied)


def test_relays_agree_who_tells_with_the_rights_of_the_page(worker_url: str) -> None:
    marks = RedisMarks(connect(worker_url))

    claimed = marks.claim("email")
    marks.told("email", at(0))

    assert claimed
    assert marks.take("email") == at(0)


@pytest.mark.parametrize(
    "command", [["FLUSHALL"], ["CONFIG", "GET", "*"], ["DEL", "millrace:throttle:x"], ["SET", "other", "1"], ["GET", "other"]]
)
def test_a_worker_may_do_nothing_else_in_redis(worker_url: str, command: list[str]) -> None:
    with connect(worker_url) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)
