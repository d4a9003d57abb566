"""Dashboards: every query is one by Prometheus' own parser, of metrics and labels that are shown; panels do not overlap."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.queries import DASHBOARDS, FOREIGN, dashboards, grouped, panels, parsed, rules, used
from tests.metrics_shown import series

every_dashboard = pytest.mark.parametrize("name", sorted(dashboards()))
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def expressions(name: str) -> list[str]:
    """The queries of a dashboard with its variables filled in."""
    found = [target["expr"] for panel in panels(dashboards()[name]) for target in panel["targets"]]
    variables = [variable["name"] for variable in dashboards()[name]["templating"]["list"]]
    for variable in variables:
        found = [told.replace(f"${variable}", ".*") for told in found]
    return found


def test_there_are_dashboards_for_business_stock_lanes_failures_and_machinery() -> None:
    assert set(dashboards()) == {"overview.json", "stock.json", "outside.json", "lanes.json", "failures.json", "workers.json"}
    assert len({dashboard["uid"] for dashboard in dashboards().values()}) == len(dashboards())


@every_dashboard
def test_every_query_is_read_by_prometheus_own_parser(name: str, tmp_path: Path) -> None:
    told = expressions(name)

    done = parsed(told, tmp_path)

    assert not [one for one in told if "$" in one]
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_parser_is_asked_in_earnest(tmp_path: Path) -> None:
    assert parsed(["sum(rate(millrace_accepted_total[5m])"], tmp_path).returncode != 0


@every_dashboard
def test_queries_use_only_metrics_and_labels_that_are_shown(name: str) -> None:
    known = {**series(), **FOREIGN}
    wrong = set()
    for told in expressions(name):
        for metric, labels in used(told).items():
            if ":" in metric:
                wrong |= {metric} - RECORDED
            elif metric not in known or not labels | grouped(told) <= known[metric]:
                wrong.add(f"{metric} in {told}")

    assert not wrong


@every_dashboard
def test_legends_and_variables_name_labels_that_the_query_keeps(name: str) -> None:
    wrong = []
    for panel in panels(dashboards()[name]):
        for target in panel["targets"]:
            named = {part.partition("}}")[0].strip() for part in target["legendFormat"].split("{{")[1:]}
            if not named <= grouped(target["expr"]) | {"job", "instance"}:
                wrong.append(target["expr"])

    assert not wrong
    for variable in dashboards()[name]["templating"]["list"]:
        metric, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").split(", ")
        assert label in series()[metric]


@every_dashboard
def test_panels_say_what_they_show_and_do_not_overlap(name: str) -> None:
    shown = panels(dashboards()[name])

    assert all(panel["title"] and panel["description"] for panel in shown)
    assert len({panel["id"] for panel in dashboards()[name]["panels"]}) == len(dashboards()[name]["panels"])
    assert not [(a["title"], b["title"]) for a, b in combinations(shown, 2) if overlap(a["gridPos"], b["gridPos"])]
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in shown)


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    across = a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
    return across and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def test_what_grafana_is_told_to_load_is_there() -> None:
    folder = DASHBOARDS.parent / "provisioning"
    sources: dict[str, Any] = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())
    loaded: dict[str, Any] = yaml.safe_load((folder / "dashboards/millrace.yml").read_text())

    uids = {source["uid"] for source in sources["datasources"]}
    asked = {target["datasource"]["uid"] for one in dashboards().values() for p in panels(one) for target in p["targets"]}
    assert asked == uids
    assert loaded["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
