"""The ledger is away: of all relays that see it one tells, and one tells of its return, whoever lives until then."""

import time
from collections.abc import Iterator

import fakeredis
import pytest
import redis

from tests.documents import at
from tests.workers.notify.places import Hook, web_hook
from workers.notify.away import LedgerAway, RedisMarks
from workers.notify.destinations import Destinations
from workers.notify.webhook import WebhookDestination

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Relays:
    """Relays that share a Redis and one place that notices go to."""

    def __init__(self, hook: Hook) -> None:
        self.hook = hook
        self.server = fakeredis.FakeServer()

    def one(self) -> LedgerAway:
        client = fakeredis.FakeRedis(server=self.server, decode_responses=True)
        places = Destinations({"webhook-1": WebhookDestination(self.hook.url, SECRET)})
        return LedgerAway(places, "test", RedisMarks(client))

    def until_no_mark_is_left(self) -> None:
        client, deadline = fakeredis.FakeRedis(server=self.server), time.monotonic() + 10
        while client.keys("*"):
            assert time.monotonic() < deadline, "a mark stays"

    @property
    def told(self) -> int:
        return len(self.hook.posts)


@pytest.fixture
def relays() -> Iterator[Relays]:
    with web_hook() as hook:
        yield Relays(hook)


def silent(*them: LedgerAway, until: float, since: float = 0) -> None:
    """The ledger answers none of them, looked at every five seconds."""
    for seconds in range(int(since), int(until) + 1, 5):
        for one in them:
            one.silent(at(seconds), seconds)


def test_of_three_relays_one_tells_and_one_tells_of_the_return(relays: Relays) -> None:
    them = [relays.one() for _ in range(3)]

    silent(*them, until=120)
    told = relays.told
    ends = [one.ended(at(125)) for one in them]
    for one in them:
        one.forget()

    assert told == 1
    assert [list(end) for end in ends] == [["webhook-1"], [], []]
    assert [one.ended(at(130)) for one in them] == [{}, {}, {}]


def test_the_return_is_told_by_another_relay_where_the_one_that_told_has_died(relays: Relays) -> None:
    told, other = relays.one(), relays.one()
    silent(told, other, until=60)

    ended = other.ended(at(90))["webhook-1"]

    assert relays.told == 1
    assert ended["type"] == "alert.resolved"
    assert at(0).isoformat() in f"{ended}"


def test_a_relay_that_begins_after_the_return_tells_of_it(relays: Relays) -> None:
    silent(relays.one(), until=60)

    assert list(relays.one().ended(at(90))) == ["webhook-1"]


def test_an_end_that_could_not_be_written_is_told_in_the_next_round(relays: Relays) -> None:
    one = relays.one()
    silent(one, until=60)

    tried = one.ended(at(65))

    assert list(one.ended(at(70))) == list(tried) == ["webhook-1"]


def test_the_next_time_it_is_away_is_told_again(relays: Relays) -> None:
    them = [relays.one() for _ in range(2)]
    for began in (0, 1_000):
        silent(*them, since=began, until=began + 90)
        for one in them:
            one.ended(at(began + 95))
            one.forget()
        relays.until_no_mark_is_left()

    assert relays.told == 2


def test_what_one_relay_cannot_tell_another_tries(relays: Relays) -> None:
    one, other = relays.one(), relays.one()
    relays.hook.status = 500
    silent(one, until=60)
    relays.hook.status = 200
    relays.until_no_mark_is_left()

    silent(other, until=60)
    silent(one, since=65, until=90)

    assert relays.told == 2
    assert list(one.ended(at(95))) == ["webhook-1"]


def test_with_redis_away_as_well_each_relay_tells_by_itself(relays: Relays) -> None:
    them = [relays.one() for _ in range(2)]
    relays.server.connected = False

    silent(*them, until=90)
    ends = [list(one.ended(at(95))) for one in them]

    assert relays.told == 2
    assert ends == [["webhook-1"], ["webhook-1"]]


def test_a_mark_left_behind_while_redis_was_away_does_not_silence_the_next_time(relays: Relays) -> None:
    one = relays.one()
    silent(one, until=60)
    relays.server.connected = False
    one.ended(at(65))
    one.forget()
    relays.server.connected = True

    late = one.ended(at(70))
    one.forget()
    relays.until_no_mark_is_left()
    silent(one, since=1_000, until=1_090)

    assert list(late) == ["webhook-1"]
    assert relays.told == 2


def test_the_marks_hold_in_a_real_redis(redis_url: str) -> None:
    marks, others = (RedisMarks(redis.Redis.from_url(redis_url, decode_responses=True)) for _ in range(2))

    claims = [marks.claim("email"), others.claim("email")]
    while_sending = others.take("email")
    marks.told("email", at(5))

    assert claims == [True, False]
    assert while_sending is None
    assert [others.take("email"), marks.take("email")] == [at(5), None]
