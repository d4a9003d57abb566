"""The demo's proof: a sale gone right passes, and every single thing gone wrong fails it by the order's name."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.channels.base import Inbound, Parsed, Told, Unreadable
from adapters.channels.registry import CHANNELS
from adapters.erps.netsuite.keys import order_key
from canonical.order import Order
from canonical.returns import Return
from canonical.shipment import Shipment
from tests.fleet.sale import OPENED_AT, Sale, attempts_of, entry, right_sale
from workers.demo.figures import budget_of, repeats_of, waits_of
from workers.demo.flash_sale import flash_sale
from workers.demo.model import OrderEnd
from workers.demo.proof import Proof
from workers.demo.reception import reception_of
from workers.demo.webhook import Webhook, headers_of
from workers.sandbox.judge import ExpectedEffect
from workers.sandbox.limits import Limits

SECRET = b"whsec_bWlsbHJhY2UtZGVtby1zZWNyZXQtZm9yLXRlc3Rz"


def test_a_seed_pours_the_same_sale_every_time() -> None:
    assert flash_sale(5, 40, OPENED_AT) == flash_sale(5, 40, OPENED_AT)
    assert flash_sale(5, 40, OPENED_AT) != flash_sale(6, 40, OPENED_AT)


def test_every_body_tells_what_the_model_believes_of_it() -> None:
    for hook in flash_sale(11, 120, datetime.now(UTC)):
        _check_told(hook)


def test_a_sale_gone_right_has_no_problems() -> None:
    sale = right_sale()

    proof = sale.proof()

    assert proof.problems == ()
    assert proof.lost == proof.doubled == 0
    assert proof.totals.agree
    assert proof.totals.in_erp > 0


def test_an_order_that_never_reached_the_erp_is_lost_by_its_name() -> None:
    sale = right_sale()
    victim = _posted(sale)

    proof = sale.proof(log=[line for line in sale.log if line.external_id != order_key(victim.source, victim.key)])

    assert proof.lost == 1
    assert _kinds_of(proof, victim) == {"lost"}
    assert "totals" in _kinds(proof), "the money must not agree either"


def test_an_order_written_into_two_records_is_doubled() -> None:
    sale = right_sale()
    victim = _posted(sale)
    line = next(line for line in sale.log if line.external_id == order_key(victim.source, victim.key))

    proof = sale.proof(log=[*sale.log, line.model_copy(update={"n": 9_000, "internal_id": "77777"})])

    assert proof.doubled >= 1
    assert "doubled" in _kinds_of(proof, victim)


def test_a_version_that_nobody_told_is_doubled() -> None:
    sale = right_sale()
    victim = next(end for end in sale.expected.orders.values() if end.ends == "posted" and end.states == 1)
    line = next(line for line in sale.log if line.external_id == order_key(victim.source, victim.key))

    proof = sale.proof(log=[*sale.log, line.model_copy(update={"n": 9_000, "version": "2"})])

    assert "doubled" in _kinds_of(proof, victim)


def test_a_cent_too_much_is_a_wrong_amount() -> None:
    sale = right_sale()
    victim = _posted(sale)
    name = order_key(victim.source, victim.key)
    spoiled = str(victim.total + Decimal("0.01"))

    proof = sale.proof(log=[e.model_copy(update={"total": spoiled}) if e.external_id == name else e for e in sale.log])

    assert _kinds_of(proof, victim) == {"wrong amount"}
    assert "totals" in _kinds(proof)


def test_a_forged_order_in_the_erp_is_unexpected() -> None:
    sale = right_sale()
    forged = next(hook for hook in sale.webhooks if hook.refusal == 401)
    effect = ExpectedEffect("salesOrder", order_key(forged.source, forged.fact.order), total=forged.fact.total)

    proof = sale.proof(log=[*sale.log, entry(9_000, effect)])

    assert "unexpected" in _kinds(proof)


def test_an_order_cancelled_before_it_was_told_must_never_be_posted() -> None:
    sale = right_sale()
    never = next(end for end in sale.expected.orders.values() if end.ends == "never")

    proof = sale.proof(log=[*sale.log, entry(9_000, ExpectedEffect("salesOrder", order_key(never.source, never.key)))])

    assert "unexpected" in _kinds_of(proof, never)


def test_an_order_parked_for_no_reason_the_model_knows_fails() -> None:
    sale = right_sale()
    victim = _posted(sale)
    some = next(iter(sale.desk.parked_orders.values()))

    proof = sale.proof(desk=replace(sale.desk, parked_orders={**sale.desk.parked_orders, (victim.source, victim.key): some}))

    assert _kinds_of(proof, victim) == {"parked"}


def test_a_spoiled_event_that_was_not_parked_fails() -> None:
    sale = right_sale()

    proof = sale.proof(desk=replace(sale.desk, parked_events={}))

    assert len(proof.problems) == len(sale.expected.parked_events)
    assert _kinds(proof) == {"parked"}


def test_an_event_answered_2xx_and_not_in_the_ledger_is_lost() -> None:
    sale = right_sale()
    gone = next(iter(sale.reception.accepted))

    proof = sale.proof(desk=replace(sale.desk, known=sale.desk.known - {gone}))

    assert proof.lost == 1


def test_a_forged_webhook_that_was_accepted_and_a_good_one_that_was_not_are_mistakes() -> None:
    sale = right_sale()
    forged = next(n for n, hook in enumerate(sale.webhooks) if hook.refusal == 401)
    good = next(n for n, hook in enumerate(sale.webhooks) if hook.refusal is None)
    wrong = {forged: 200, good: 503}

    reception = reception_of(sale.webhooks, [replace(a, status=wrong.get(a.n, a.status)) for a in attempts_of(sale.webhooks)])

    assert len(reception.mistakes) == 2
    assert "sender" in _kinds(sale.proof(reception=reception))


def test_what_was_told_again_is_a_duplicate_and_nothing_else() -> None:
    sale = right_sale()
    distinct = {hook.known_as for hook in sale.webhooks if hook.refusal is None}

    assert len(sale.reception.accepted) == len(distinct)
    assert sale.reception.duplicates == sum(hook.refusal is None for hook in sale.webhooks) - len(distinct)


def test_waits_are_told_by_class_and_requests_above_the_limit_are_counted() -> None:
    sale = right_sale()
    agreed = Limits(rate_per_s=50, burst=10, concurrency=10)
    start = sale.log[0].at
    crowd = [line.model_copy(update={"at": start}) for line in sale.log]

    waits = waits_of(sale.expected, sale.log)

    assert set(waits) == {"high", "normal", "low"}
    assert all(0 < w.p50_s <= w.p95_s <= w.longest_s for w in waits.values())
    assert budget_of(sale.expected, sale.log, agreed, []).above_rate == 0
    assert budget_of(sale.expected, crowd, agreed, []).above_rate == len(crowd) - 10


def test_a_lost_answer_that_is_looked_up_is_told_apart_from_one_that_is_sent_again() -> None:
    line = right_sale().log[0]
    lost = line.model_copy(update={"answer": "lost"})
    look = line.model_copy(update={"method": "GET", "committed": False, "answer": 200, "at": line.at + timedelta(seconds=3)})
    again = look.model_copy(update={"method": "PUT"})

    assert repeats_of([lost, look]).looked_up == 1
    assert repeats_of([lost, again]).sent_again_blindly == 1


def _check_told(hook: Webhook) -> None:
    now = datetime.now(UTC)
    channel = CHANNELS["shopify" if hook.source == "shopify" else "open"]
    headers = [(name.lower(), value) for name, value in headers_of(hook, SECRET, "attempt-1", now)]
    request = Inbound(hook.source, headers, hook.body, now)
    refused = channel.verify(request, [SECRET], now)
    assert (refused is None) == (hook.seal == "right")
    if refused is not None or hook.refusal is not None:
        return
    identity = channel.identify(request)
    assert getattr(identity, "event_key", None) == hook.event_key
    if hook.fact.told == "kept":
        return
    told = channel.parse(Told(hook.source, hook.topic, dict(headers), hook.body, now))
    if isinstance(told, Unreadable):
        assert hook.fact.parked == ("malformed", told.code)
    else:
        _check_document(hook, told)


def _check_document(hook: Webhook, told: Parsed) -> None:
    (document,) = told.documents
    assert isinstance(document, Order | Shipment | Return)
    fact = hook.fact
    assert (document.key, document.order, document.as_of) == (fact.key, fact.order, fact.as_of)
    if isinstance(document, Order):
        assert document.status == ("cancelled" if fact.told == "cancel" else "open")
        goods = sum(line.net + line.tax for line in document.lines)
        assert document.total == goods + sum(charge.net + charge.tax for charge in document.charges)
    if isinstance(document, Order | Return) and fact.told in ("order", "return"):
        assert document.total == fact.total
    if fact.told != "cancel":
        assert sum(line.quantity for line in document.lines) == fact.pieces or fact.told == "orphan"


def _posted(sale: Sale) -> OrderEnd:
    """An order that was posted and has nothing else to its name."""
    return next(end for end in sale.expected.orders.values() if end.ends == "posted" and not end.shipments and not end.returns)


def _kinds(proof: Proof) -> set[str]:
    return {problem.kind for problem in proof.problems}


def _kinds_of(proof: Proof, end: OrderEnd) -> set[str]:
    return {problem.kind for problem in proof.problems if (problem.source, problem.order) == (end.source, end.key)}
