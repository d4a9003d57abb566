"""The tables of docs/operate.md say what the code says."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from canonical.failure import OWNER_OF
from config import fleet
from config.limits import LimitTable
from config.settings import PREFIX, Settings
from config.topology import load_topology
from telemetry.events import Name
from telemetry.figures import FIGURES
from telemetry.logs import level_of
from tests.docs.pages import ROOT, page
from tests.metrics_shown import shown as every_metric

OPERATE = page("docs/operate.md")
FLEET_TABLES: dict[str, type[BaseModel]] = {
    "sources": fleet.Source,
    "targets": fleet.Target,
    "targets.*.limit": LimitTable,
    "routes": fleet.Route,
    "classes": fleet.ClassRule,
    "pools": fleet.Pool,
    "weights": fleet.FamilyWeights,
    "desk": fleet.DeskRule,
    "waits": fleet.Waits,
    "service_levels": fleet.ServiceLevels,
}


def code(cell: str) -> str:
    return cell.strip("`")


def shown(default: object) -> str:
    """A default as the tables show it."""
    if default is PydanticUndefined:
        return "needed"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, BaseModel) or default in ("", {}, None, ()):
        return "none"
    if isinstance(default, tuple):
        return ", ".join(str(item) for item in default)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) and default < 100_000 else str(default)


def test_every_setting_is_told_with_its_default() -> None:
    told = {code(name): code(default) for name, default, _ in OPERATE.table("Settings table")}

    wanted = {f"{PREFIX}{name.upper()}": shown(field.default) for name, field in Settings.model_fields.items()}
    wanted[f"{PREFIX}FLEET_FILE"] = "config/fleet.toml"
    wanted[f"{PREFIX}PEAKS_FOLDER"] = "config/peaks"
    assert told == wanted


def test_every_key_of_the_fleet_file_is_told_with_its_default() -> None:
    told = {(code(table), code(key)): code(default) for table, key, default, _ in OPERATE.table("Fleet file")}

    assert told == {
        (table, field.alias or name): shown(field.default)
        for table, model in FLEET_TABLES.items()
        for name, field in model.model_fields.items()
    }


def test_every_metric_is_told_with_its_type_and_labels() -> None:
    tables = [
        row for heading in ("Business", "Stock", "Watched", "Events and lanes") for row in page("docs/metrics.md").table(heading)
    ]
    told = {code(name): (type_, {x for x in code(labels).split(", ") if x}) for name, type_, labels, *_ in tables}

    assert told == {one.name: (one.type, set(one.labels)) for one in every_metric().values()}
    assert all(unit and meaning for _, _, _, unit, meaning, _ in tables)


def test_a_figure_is_told_to_answer_what_the_code_says() -> None:
    tables = [row for heading in ("Business", "Stock", "Watched") for row in page("docs/metrics.md").table(heading)]

    assert {code(name): (unit, answers) for name, _, _, unit, _, answers in tables} == {
        name: (figure.unit, figure.wanted) for name, figure in FIGURES.items()
    }


def test_every_log_event_is_told_with_its_level() -> None:
    levels = {10: "debug", 20: "info", 30: "warning", 40: "error"}
    told = {code(name): level for name, level, _ in OPERATE.table("Log events")}

    assert told == {name.value: levels[level_of(name)] for name in Name}


def test_every_class_of_failure_is_told_with_its_owner() -> None:
    told = {code(cls): owner for cls, owner, *_ in OPERATE.table("Failure classes")}

    assert told == {cls.value: owner for cls, owner in OWNER_OF.items()}


@pytest.mark.parametrize("of", ["docs/operate.md", "docs/journey.md"])
def test_the_ladder_is_told_as_it_is(of: str) -> None:
    rungs: Callable[[str], str] = lambda glue: glue.join(str(rung) for rung in load_topology().ladder_s)  # noqa: E731

    assert rungs(", ") in " ".join(page(of).text.split())


def test_the_events_told_by_no_code_yet_are_marked() -> None:
    packages = ("adapters", "ledger", "routing", "tasks", "workers")
    source = "\n".join(file.read_text() for package in packages for file in (ROOT / package).rglob("*.py"))
    told = {name for name in Name if f"Name.{name.name}" in source} | {Name.TELEMETRY_LISTEN_FAILED}

    marked = {code(name) for name, _, note in OPERATE.table("Log events") if note == "not yet"}
    assert marked == {name.value for name in set(Name) - told}
