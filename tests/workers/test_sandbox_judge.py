"""The judge reads the log alone: every loss and every doubling shows, and a clean history is clean."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.workers.sandbox_account import ORDER, Account
from workers.sandbox.journal import Entry
from workers.sandbox.judge import ExpectedEffect, judge, judge_entries

VERSION = "custbody_millrace_version"
effects = st.dictionaries(st.integers(1, 40), st.integers(1, 3), min_size=1)


def line(key: str, version: int, internal_id: str, **told: Any) -> Entry:
    fields = {"n": 1, "at": datetime.now(UTC), "took_ms": 1.0, "method": "PUT", "path": "/", "operation": "salesOrder.upsert"}
    fields |= {"record": "salesOrder", "external_id": key, "version": str(version), "internal_id": internal_id}
    return Entry.model_validate(fields | {"committed": True, "quantity": "1", "total": "10.00"} | told)


def history(told: dict[int, int]) -> tuple[list[Entry], list[ExpectedEffect]]:
    pairs = [(f"K{key}", version, str(key)) for key, last in told.items() for version in range(1, last + 1)]
    log = [line(key, version, internal) for key, version, internal in pairs]
    return log, [ExpectedEffect("salesOrder", key, str(version), Decimal("10.00")) for key, version, _ in pairs]


@given(effects, st.randoms())
def test_a_clean_history_is_clean_with_replays_and_refusals_among_it(told: dict[int, int], chance: Any) -> None:
    log, expected = history(told)
    noise = [entry.model_copy(update={"committed": False, "replayed": True}) for entry in log if chance.random() < 0.5]

    verdict = judge_entries([*log, *noise], expected)

    assert verdict.clean
    assert (verdict.committed, verdict.replayed) == (len(log), len(noise))


@given(effects, st.data())
def test_every_missing_commit_is_lost_and_every_second_one_doubled(told: dict[int, int], data: st.DataObject) -> None:
    log, expected = history(told)
    n = data.draw(st.integers(0, len(log) - 1))

    missing = judge_entries(log[:n] + log[n + 1 :], expected)
    twice = judge_entries([*log[: n + 1], *log[n:]], expected)

    name = (log[n].external_id, log[n].version)
    assert [(f.external_id, f.version) for f in missing.lost] == [name]
    assert [(f.external_id, f.version) for f in twice.doubled] == [name]


@given(effects, st.data())
def test_a_second_record_for_one_key_is_doubled(told: dict[int, int], data: st.DataObject) -> None:
    log, expected = history(told)
    victim = data.draw(st.sampled_from(log))

    verdict = judge_entries([*log, victim.model_copy(update={"internal_id": "999"})], expected)

    assert {f.external_id for f in verdict.doubled} == {victim.external_id}


def test_two_orders_of_one_business_reference_are_doubled() -> None:
    log = [line("K1", 1, "1", reference="#1001"), line("K2", 1, "2", reference="#1001")]

    assert len(judge_entries(log, []).doubled) == 1


def test_versions_that_go_back_are_told() -> None:
    log = [line("K1", 2, "1"), line("K1", 10, "1"), line("K1", 9, "1")]

    assert [f.version for f in judge_entries(log, []).backwards] == ["9"]


def test_an_amount_applied_twice_is_doubled_and_another_wrong() -> None:
    expected = [
        ExpectedEffect("salesOrder", "K1", "1", Decimal("10.00"), Decimal(1)),
        ExpectedEffect("salesOrder", "K2", "1", Decimal("10.00")),
    ]

    verdict = judge_entries([line("K1", 1, "1", total="20.00"), line("K2", 1, "2", total="10.01")], expected)

    assert [(f.external_id, f.reason) for f in verdict.doubled] == [("K1", "total 20.00 instead of 10.00")]
    assert [f.external_id for f in verdict.wrong] == ["K2"]


def test_an_optional_version_may_be_missing_and_an_unasked_one_is_unexpected() -> None:
    expected = [ExpectedEffect("salesOrder", "K1", "1", optional=True), ExpectedEffect("salesOrder", "K1", "2")]

    verdict = judge_entries([line("K1", 2, "1"), line("K9", 1, "9")], expected)

    assert not verdict.lost
    assert [f.external_id for f in verdict.unexpected] == ["K9"]


def test_the_judge_sees_an_erp_that_writes_twice_and_one_that_loses(tmp_path: Path) -> None:
    account = Account(tmp_path / "log.jsonl")
    account.arm(kind="double_commit", next=1)
    account.arm(kind="outage", next=1)
    for key in ("A1", "A2"):
        account.call("PUT", f"salesOrder/eid:{key}", ORDER | {VERSION: 1})

    verdict = judge(account.path, [ExpectedEffect("salesOrder", key, "1") for key in ("A1", "A2")])

    assert [f.external_id for f in verdict.lost] == ["A2"]
    assert [f.external_id for f in verdict.doubled] == ["A1"]


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    account = Account(tmp_path / "log.jsonl")
    account.call("PUT", "salesOrder/eid:A1", ORDER)
    with account.path.open("a") as log:
        log.write('{"n": 2, "at"')

    assert judge(account.path, [ExpectedEffect("salesOrder", "A1")]).clean
