"""`millrace config check`: wrong keys are named with the nearest right one, secrets are counted and never shown."""

from pathlib import Path

import pytest

from config.settings import DEFAULT_FLEET
from tests.workers.command_line import SECRETS, millrace

URLS = {
    "BROKER_URL": "amqp://u:canary-broker@h/v",
    "BROKER_API_URL": "http://u:canary-api@h/api/",
    "LEDGER_URL": "postgresql://u:canary-ledger@h/d",
    "REDIS_URL": "redis://:canary-redis@h/0",
    "FLOWER_LOGIN": "u:canary-flower",
    "SENTRY_DSN": "https://canary-sentry@h/1",
}


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_configuration_is_shown_without_any_secret(options: tuple[str, ...]) -> None:
    told = millrace("config", "check", *options, **URLS)

    assert told.code == 0
    assert "configuration is right" in told.err
    assert "SANDBOX" in told.out + told.err
    assert "canary" not in told.out + told.err


def test_programs_read_settings_fleet_topology_and_names_of_secrets() -> None:
    told = millrace("config", "check", "--json", **URLS).json

    assert told["settings"]["broker_url"] == "***"
    assert told["settings"]["redis_url"] == "***"
    assert set(told["fleet"]["targets"]) == {"sandbox"}
    assert told["topology"]["domains"] == ["orders", "shipments", "returns", "stock"]
    assert told["secrets"] == ["OPEN", "SANDBOX", "SHOPIFY"]
    assert told["missing_secrets"] == []


def test_what_sources_promise_of_stock_is_shown(tmp_path: Path) -> None:
    text = DEFAULT_FLEET.with_name("with-stock.toml").read_text()
    file = tmp_path / "fleet.toml"
    file.write_text(text.replace('secrets = ["OPEN"]', 'secrets = ["OPEN"]\nspeaks_for = "stores"\nreserves_within_s = 900'))

    told = millrace("config", "check", FLEET_FILE=str(file), SECRET_STORES="whsec_" + "A" * 32)

    assert "open counts for stores" in told.err
    assert "open reserves within 900 s" in told.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('summary = "x"\n[lanes.orders]\nwieghts = { high = 2 }\n', ["lanes.orders.wieghts", "did you mean 'weights'?"]),
        ('summary = "x"\n[lanes."deliver.sandbx"]\n', ["lanes.deliver.sandbx", "did you mean 'deliver.sandbox'?"]),
        ('summary = "x"\n[[guards]]\nmetric = "waitin"\nabove = 1\nfor_s = 1\n', ["guards", "did you mean 'waiting'?"]),
        ("summary = ", ["cannot be read as TOML"]),
    ],
)
def test_a_peak_profile_that_is_wrong_is_named_with_file_key_and_nearest(tmp_path: Path, text: str, said: list[str]) -> None:
    (tmp_path / "right.toml").write_text('summary = "x"\n')
    right = millrace("config", "check", "--json", PEAKS_FOLDER=str(tmp_path))
    (tmp_path / "sale.toml").write_text(text)

    told = millrace("config", "check", PEAKS_FOLDER=str(tmp_path))

    assert (right.code, right.json["peaks"]) == (0, ["right"])
    assert told.code == 2
    assert str(tmp_path / "sale.toml") in told.err
    assert [word for word in said if word not in told.err] == []


def test_shipped_profiles_that_do_not_fit_the_fleet_are_told_and_do_not_fail_the_check(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(DEFAULT_FLEET.read_text().replace("sandbox", "erp").replace("erp = true", "sandbox = true"))

    told = millrace("config", "check", FLEET_FILE=str(file))

    assert told.code == 0
    assert "black-friday.toml" in told.err
    assert "'deliver.sandbox' is not in the fleet file" in told.err


def test_missing_secrets_are_named_and_fail_the_check(tmp_path: Path) -> None:
    fleet = DEFAULT_FLEET.read_text().replace('secrets = ["OPEN"]', 'secrets = ["OPEN_NEW", "OPEN"]')
    file = tmp_path / "fleet.toml"
    file.write_text(fleet)

    told = millrace("config", "check", "--json", FLEET_FILE=str(file))

    assert told.code == 1
    assert told.json["missing_secrets"] == ["OPEN_NEW"]
    assert "MILLRACE_SECRET_OPEN_NEW" in told.err


def test_a_secret_may_be_a_file_and_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("canary-file\n")

    there = millrace("config", "check", SECRET_SANDBOX_FILE=str(file))
    gone = millrace("config", "check", SECRET_SANDBOX_FILE=str(tmp_path / "gone"))

    assert there.code == 0
    assert gone.code == 2
    assert "MILLRACE_SECRET_SANDBOX_FILE" in gone.err
    assert "canary" not in there.out + there.err + gone.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("posting_time_s", "postingtime_s", "did you mean 'posting_time_s'?"),
        ("rate_per_s", "rate_per_sec", "did you mean 'rate_per_s'?"),
        ('channel = "shopify"', 'channel = "shopfy"', "did you mean 'shopify'?"),
        ('adapter = "netsuite"', 'adapter = "netsuit"', "did you mean 'netsuite'?"),
        ('target = "sandbox"', 'target = "sandbx"', "did you mean 'sandbox'?"),
        ('families = ["deliver.sandbox"]', 'families = ["deliver.sandbx"]', "did you mean 'deliver.sandbox'?"),
        ("options = {", 'options = { subsidary = "1",', "subsidiary"),
        ('kind = "prefork"', 'kind = "gevent"', "prefork"),
        ("[pools.prepare]", "[pools.prepare", "not TOML"),
    ],
    ids=lambda text: text if text.isidentifier() else None,
)
def test_a_wrong_key_or_value_of_the_fleet_file_is_named_with_the_nearest(tmp_path: Path, old: str, new: str, said: str) -> None:
    fleet = DEFAULT_FLEET.read_text()
    assert old in fleet
    file = tmp_path / "fleet.toml"
    file.write_text(fleet.replace(old, new, 1))

    told = millrace("config", "check", FLEET_FILE=str(file))

    assert told.code == 2, told
    assert said in told.err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BROKER_ULR", "amqp://u:canary@h/", "did you mean 'MILLRACE_BROKER_URL'?"),
        ("FLOWER_PORT", "canary", "flower_port"),
        ("LOG_LEVEL", "loud", "log_level"),
        ("FLEET_FILE", "/nowhere/fleet.toml", "/nowhere/fleet.toml: no such file"),
        ("BROKER_URL_FILE", "/nowhere/secret", "MILLRACE_BROKER_URL_FILE"),
        ("SETTINGS_FILE", "/nowhere/settings.toml", "/nowhere/settings.toml"),
    ],
)
def test_a_wrong_environment_stops_the_boot(name: str, value: str, said: str) -> None:
    told = millrace("config", "check", **{name: value})

    assert told.code == 2, told
    assert said in told.err
    assert "canary" not in told.err


def test_the_environment_goes_before_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('receiver_port = 1\nflower_port = 2\nbroker_url = "amqp://u:canary@h/"\n')

    told = millrace("config", "check", "--json", SETTINGS_FILE=str(file), FLOWER_PORT="3").json["settings"]

    assert (told["receiver_port"], told["flower_port"], told["broker_url"]) == ("1", "3", "***")


def test_the_fleets_secrets_of_these_tests_are_those_the_fleet_file_names() -> None:
    assert set(millrace("config", "check", "--json").json["secrets"]) == {n.removeprefix("MILLRACE_SECRET_") for n in SECRETS}
