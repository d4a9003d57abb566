"""Live: the topology on a real broker: declared once, drift and gaps shown by state and code, never repaired by force."""

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection

from tests.live import Rabbit, broker_api, wait_until
from tests.workers.command_line import Ended, millrace

ITEMS = {"exchange": 3 + 12, "queue": 1 + 5 + (4 + 4) * 3 + 12}


@pytest.fixture
def channel(rabbit: Rabbit) -> Iterator[Any]:
    with Connection(rabbit.url) as connection:
        yield connection.default_channel


def topology(rabbit: Rabbit, verb: str, *options: str) -> Ended:
    ended = millrace("topology", verb, *options, BROKER_URL=rabbit.url)
    assert "Traceback" not in ended.err
    return ended


def states(ended: Ended) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in ended.json:
        found.setdefault(finding["state"], []).append(finding["name"])
    return found


def test_an_empty_broker_lacks_everything_and_looking_makes_nothing(rabbit: Rabbit) -> None:
    looked = topology(rabbit, "diff", "--json")
    checked = topology(rabbit, "check", "--json")

    assert looked.code == 0
    assert {kind: sum(f["kind"] == kind for f in looked.json) for kind in ITEMS} == ITEMS
    assert set(states(looked)) == {"missing"}
    assert checked.code == 1
    assert (checked.json["ok"], checked.json["checked"]) == (False, sum(ITEMS.values()))
    assert "millrace topology declare" in checked.err
    assert broker_api(rabbit.api_url, "GET", f"/api/queues/{rabbit.vhost}") == []


def test_declaring_makes_everything_once_and_again_changes_nothing(rabbit: Rabbit) -> None:
    first = topology(rabbit, "declare", "--json")
    again = topology(rabbit, "declare", "--json")
    checked = topology(rabbit, "check", "--json")

    assert (first.code, again.code, checked.code) == (0, 0, 0)
    assert set(states(first)) == {"declared"}
    assert set(states(again)) == {"ok"}
    assert checked.json == {"ok": True, "checked": sum(ITEMS.values()), "wrong": []}
    assert topology(rabbit, "diff").err == "no difference\n"


def test_the_broker_has_what_the_design_asks_of_every_queue(rabbit: Rabbit) -> None:
    topology(rabbit, "declare")
    told: Any = broker_api(rabbit.api_url, "GET", f"/api/queues/{rabbit.vhost}")
    queues = {queue["name"]: queue["arguments"] for queue in told}

    work = queues["deliver.sandbox.orders.high"]
    assert {arguments["x-queue-type"] for arguments in queues.values()} == {"quorum"}
    assert (work["x-dead-letter-exchange"], work["x-dead-letter-routing-key"]) == ("dead", "dead.deliver.sandbox")
    assert (work["x-dead-letter-strategy"], work["x-overflow"], work["x-delivery-limit"]) == (
        "at-least-once",
        "reject-publish",
        4,
    )
    assert (queues["delay.30"]["x-message-ttl"], queues["delay.30"]["x-dead-letter-exchange"]) == (30_000, "")


def test_what_is_missing_is_made_and_what_was_there_keeps_its_messages(rabbit: Rabbit, channel: Any) -> None:
    from amqp import Message

    topology(rabbit, "declare")
    channel.basic_publish(Message("[]"), "work", "orders.high")
    channel.queue_delete("returns.low")
    channel.exchange_delete("delay.60")

    looked = topology(rabbit, "diff", "--json")
    declared = topology(rabbit, "declare", "--json")

    assert states(looked) == {"missing": ["delay.60", "returns.low"]}
    assert states(declared)["declared"] == ["delay.60", "returns.low"]
    assert topology(rabbit, "check").code == 0
    wait_until(lambda: channel.queue_declare("orders.high", passive=True).message_count == 1)
    # What hung on the exchange that was gone is bound again.
    channel.basic_publish(Message("[]"), "delay.60", "orders.high")
    wait_until(lambda: channel.queue_declare("delay.60", passive=True).message_count == 1)


def test_drift_is_shown_by_the_brokers_own_word_and_left_alone(rabbit: Rabbit, channel: Any) -> None:
    channel.queue_declare("orders.high", durable=True, auto_delete=False, arguments={"x-max-priority": 10})
    channel.exchange_declare("work", "topic", durable=True, auto_delete=False)

    declared = topology(rabbit, "declare", "--json")
    looked = topology(rabbit, "diff", "--json")
    checked = topology(rabbit, "check")
    told: Any = broker_api(rabbit.api_url, "GET", f"/api/queues/{rabbit.vhost}/orders.high")

    assert declared.code == 1
    assert states(declared)["differs"] == ["work", "orders.high"]
    assert {f["name"]: f["state"] for f in looked.json} == {"work": "differs", "orders.high": "differs"}
    assert all("inequivalent arg" in f["detail"] for f in looked.json)
    assert (checked.code, looked.code) == (1, 0)
    assert "orders.high" in checked.err
    assert told["arguments"] == {"x-max-priority": 10}


def test_a_wrong_login_is_refused_and_never_printed(rabbit: Rabbit) -> None:
    user, _, place = rabbit.url.partition("@")
    told = millrace("topology", "check", BROKER_URL=f"{user}-canary@{place}")

    assert told.code == 4
    assert "check login" in told.err
    assert "canary" not in told.err + told.out
