"""Every variable, file, metric and event that the pages name exists."""

import re
from typing import Any

import pytest

from config.settings import PREFIX, SECRET_PREFIX, Settings
from telemetry.events import Name
from tests.docs.pages import ROOT, Page, pages
from tests.metrics_shown import shown

every_page = pytest.mark.parametrize("of", pages(), ids=lambda of: of.name)
FOLDERS = "adapters|bench|canonical|config|docs|ledger|requirements|routing|setup|tasks|telemetry|tests|workers|deploy"
_PATH = re.compile(rf"(?:{FOLDERS})/[\w./*-]*|[\w.-]+\.(?:md|yml|yaml|toml|lock)|Dockerfile|Makefile|LICENSE")
NOT_OURS = {"fleet.toml", "topology.toml", "settings.toml", "items.csv", "rabbitmq.conf"}
"""Files that an operator writes, or that are named by their last part only."""

METRICS = set(shown())


@every_page
def test_every_variable_exists(of: Page) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {"MILLRACE_SETTINGS_FILE"}
    named = set(re.findall(r"\bMILLRACE_[A-Z0-9_]+", of.text))
    wrong = {n for n in named if n not in known and n.removesuffix("_FILE") not in known and not n.startswith(SECRET_PREFIX)}

    assert not wrong


@every_page
def test_every_file_exists(of: Page) -> None:
    named = {span.partition(":")[0].partition("#")[0].rstrip("/") for span in of.spans if _PATH.fullmatch(span.partition(":")[0])}
    missing = {path for path in named - NOT_OURS if "NAME" not in path and not any(ROOT.glob(path))}

    assert not missing


@every_page
def test_every_metric_exists(of: Page) -> None:
    named = set(re.findall(r"(?<![\w./])millrace_[a-z_]+", of.text))
    wrong = {n for n in named if n not in METRICS and re.sub(r"_(bucket|sum|count)$", "", n) not in METRICS}

    assert not wrong


@every_page
def test_every_event_exists(of: Page) -> None:
    things = {name.value.partition(".")[0] for name in Name}
    told = {span for span in of.spans if re.fullmatch(r"[a-z]+\.[a-z]+\.[a-z]+", span)}
    wrong = {span for span in told if span.partition(".")[0] in things - {"deliver", "delay", "dead"} and span not in set(Name)}

    assert not {span for span in wrong if not _is_queue(span)}


def _is_queue(span: str) -> Any:
    return re.fullmatch(r"(deliver|dead|weights|paused)\.[\w.]+", span)


@every_page
def test_every_make_target_exists(of: Page) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line for block in of.blocks("sh") for line in block.splitlines()]
    named = {found[1] for line in (*lines, *of.spans) if (found := re.match(r"make (?:-s )?([a-z-]+)", line))}

    assert named <= known
