"""Alert rules: they are right by Prometheus' own tests, name only metrics that are shown, and lead to a runbook."""

from pathlib import Path

import pytest
import yaml

from config.fleet import ServiceLevels
from tests.deploy.queries import FOREIGN, RULES, grouped, promtool, rules, used
from tests.docs.pages import ROOT, page
from tests.metrics_shown import series
from workers.notify.inbox import KEPT_LABELS
from workers.notify.rules import LEDGER_AWAY, Rule, load_rules

TESTS = ROOT / "deploy/prometheus/tests"
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}
OWN = load_rules()
UNITS_S = {"s": 1, "m": 60, "h": 3_600}


def seconds(span: str) -> float:
    return float(span[:-1]) * UNITS_S[span[-1]] if span else 0.0


def test_the_rules_are_rules() -> None:
    done = promtool("check", "rules", *map(str, sorted(RULES.glob("*.yml"))), cwd=RULES)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted(TESTS.glob("*.yml")), ids=lambda file: file.name)
def test_the_rules_call_when_they_shall_and_only_then(file: Path) -> None:
    done = promtool("test", "rules", file.name, cwd=TESTS)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_to_fire_and_to_be_silent() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for file in TESTS.glob("*.yml"):
        for case in yaml.safe_load(file.read_text())["tests"]:
            for check in case["alert_rule_test"]:
                (fires if check["exp_alerts"] else silent).add(check["alertname"])

    assert fires == set(ALERTS)
    assert silent >= set(ALERTS)


def test_the_configuration_is_one_of_prometheus(tmp_path: Path) -> None:
    config = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    secret = tmp_path / "password"
    secret.touch()
    for job in config["scrape_configs"]:
        if "basic_auth" in job:
            job["basic_auth"]["password_file"] = str(secret)
    config["rule_files"] = [str(RULES / "*.yml")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))

    done = promtool("check", "config", "prometheus.yml", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_use_only_what_is_shown() -> None:
    known = {**series(), **FOREIGN}
    wrong = set()
    for rule in rules():
        for name, labels in used(rule["expr"]).items():
            if ":" in name:
                wrong |= {name} - RECORDED
            elif name not in known or not labels | grouped(rule["expr"]) <= known[name]:
                wrong.add(name)

    assert not wrong


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]

    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert (ROOT / rule["annotations"]["runbook_url"]).is_file()


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
def test_what_the_notifier_sees_by_itself_is_the_same_alert(own: Rule) -> None:
    rule = ALERTS[own.name]

    assert rule["labels"]["severity"] == own.severity
    assert rule["annotations"]["runbook_url"] == own.runbook
    assert seconds(rule.get("for", "")) == own.for_s
    if own.metric != "millrace_service_level_burn":
        assert own.metric in used(rule["expr"])
        assert f"> {own.above:g}" in rule["expr"]


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
def test_both_tell_an_alert_apart_by_the_same_labels(own: Rule) -> None:
    """One that the relay and Prometheus see is one alert in the book."""
    labels = series()[own.metric] - own.where.keys()

    assert grouped(ALERTS[own.name]["expr"]) == labels
    assert labels <= set(KEPT_LABELS)


def test_the_notifiers_own_alert_of_the_ledger_is_the_same_alert() -> None:
    rule = ALERTS[LEDGER_AWAY.name]

    assert (rule["labels"]["severity"], rule["annotations"]["runbook_url"]) == (LEDGER_AWAY.severity, LEDGER_AWAY.runbook)


def test_the_bounds_are_those_of_the_fleet_file_as_shipped() -> None:
    levels = ServiceLevels()

    assert {own.bound: own.above for own in OWN if own.bound} == {
        "urgent_backlog_s": levels.urgent_backlog_s,
        "longest_backlog_s": levels.longest_backlog_s,
    }


def test_the_page_of_alerts_names_every_alert_with_its_runbook() -> None:
    told = {row[0].strip("`"): (row[1], row[4]) for row in page("docs/alerts.md").table("Every alert")}

    assert set(told) == set(ALERTS)
    for name, (severity, runbook) in told.items():
        assert severity == ALERTS[name]["labels"]["severity"]
        assert Path(ALERTS[name]["annotations"]["runbook_url"]).name in runbook or "(#" in runbook


def test_own_alerts_are_marked_on_the_page() -> None:
    told = {row[0].strip("`") for row in page("docs/alerts.md").table("Every alert") if row[3] == "yes"}

    assert told == {own.name for own in OWN} | {LEDGER_AWAY.name}
