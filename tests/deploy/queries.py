"""Reads queries in Prometheus' language: by Prometheus' own parser, and by the names and labels they use."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.docs.pages import ROOT

RULES = ROOT / "deploy/prometheus/rules"
DASHBOARDS = ROOT / "deploy/grafana/dashboards"
FOREIGN: Mapping[str, frozenset[str]] = {
    name: frozenset({"instance", "job", "protocol"})
    for name in (
        "rabbitmq_alarms_memory_used_watermark",
        "rabbitmq_alarms_free_disk_space_watermark",
        "rabbitmq_global_messages_unroutable_dropped_total",
        "rabbitmq_queue_messages_ready",
        "rabbitmq_queue_messages_unacked",
        "process_resident_memory_bytes",
    )
}
"""What others show: RabbitMQ's plugin rabbitmq_prometheus, and Prometheus' client library."""

_NAME = re.compile(r"\b((?:millrace|rabbitmq|process)[a-z0-9_:]*)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\bby \(([a-z_, ]*)\)")


def parsed(expressions: Iterable[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What promtool says of the expressions as rules; each stands in a rule of its own."""
    rules = [{"record": f"checked:{number}", "expr": told} for number, told in enumerate(expressions)]
    file = folder / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "checked", "rules": rules}]}))
    return promtool("check", "rules", str(file), cwd=folder)


def promtool(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Prometheus' own tool."""
    return subprocess.run(["promtool", *words], check=False, cwd=cwd, capture_output=True, text=True, timeout=60)


def used(expression: str) -> dict[str, set[str]]:
    """Names of metrics in an expression, with the labels that they are chosen by."""
    found: dict[str, set[str]] = {}
    for name, labels in _NAME.findall(expression):
        found.setdefault(name, set()).update(_LABEL.findall(labels))
    return found


def grouped(expression: str) -> set[str]:
    """Labels that an expression groups by."""
    return {label.strip() for labels in _BY.findall(expression) for label in labels.split(",") if label.strip()}


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """Every rule of every file."""
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]]
    return tuple(rule for group in groups for rule in group["rules"])


@cache
def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard by its file's name."""
    return {file.name: json.loads(file.read_text()) for file in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]
